import { randomUUID } from "node:crypto"
import { pino } from "pino"
import { developmentSignIn } from "../../src/auth/development.ts"
import { compose, type DerivationTiming } from "../../src/compose.ts"
import { type Clock, systemClock } from "../../src/core/clock.ts"
import { type Config, readConfig } from "../../src/core/config.ts"
import type { Database, Parameter, Statement } from "../../src/db/database.ts"
import { type OfflineScript, startOfflineModel } from "../../src/llm/offline-model.ts"
import { openaiClient } from "../../src/llm/openai-client.ts"
import type { TokenVerifier } from "../../src/ports.ts"
import { type SseRequest, SseStream } from "./sse.ts"
import { Wire } from "./wire.ts"

/** A user of the tests, with calls made in their name. */
export class TestUser {
  readonly id: string
  readonly token: string
  readonly #url: string

  constructor(url: string, id: string, token: string) {
    this.#url = url
    this.id = id
    this.token = token
  }

  async request<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Body }> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` }
    if (body !== undefined) headers["content-type"] = "application/json"
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(`${this.#url}${path}`, init)
    const text = await response.text()
    return { status: response.status, body: (text === "" ? null : JSON.parse(text)) as Body }
  }

  async today(): Promise<string> {
    return (await this.request<{ id: string }>("GET", "/conversations/today")).body.id
  }

  /** Connects and has read `ready`. */
  async connect(conversationId: string, after?: string): Promise<Wire> {
    const query = after === undefined ? "" : `&after=${after}`
    const wire = await Wire.open(this.socketUrl(conversationId, query), "grizz.v1")
    await wire.next("ready")
    return wire
  }

  /** The conversation's events over HTTP, once `ready` was read. */
  async follow(conversationId: string, request: SseRequest = {}, query = ""): Promise<SseStream> {
    const url = `${this.#url}/conversations/${conversationId}/events${query}`
    const stream = await SseStream.open(url, { token: this.token, ...request })
    await stream.next("ready")
    return stream
  }

  /** Says something, and reads its turn as it comes. */
  async sayOverHttp(conversationId: string, id: string, content: string): Promise<SseStream> {
    const url = `${this.#url}/conversations/${conversationId}/messages`
    return SseStream.open(url, { method: "POST", token: this.token, body: { id, content } })
  }

  async connectPlain(conversationId: string): Promise<Wire> {
    return Wire.open(this.socketUrl(conversationId))
  }

  socketUrl(conversationId: string, query = ""): string {
    return `${this.#url.replace("http", "ws")}/ws/chat/${conversationId}?token=${this.token}${query}`
  }
}

export interface TestEngine {
  url: string
  /** Statements that ran since the last call, by name. */
  takeStatements(): string[]
  /** @param ttlSeconds how long the user's token is good */
  user(id?: string, ttlSeconds?: number): Promise<TestUser>
  /** Lines of the log so far. */
  log: string[]
  /** Times that the model was called. */
  modelCalls(): number
  drain(): Promise<void>
  close(): Promise<void>
}

/** As `recollectionMaxMs`: waits for what is remembered as long as a test has. */
export const patient = 60_000

export interface TestEngineOptions {
  database: Database
  script?: OfflineScript
  verifier?: TokenVerifier
  env?: Record<string, string>
  clock?: Clock
  /** Another model than the scripted one, with its version, as in `OPENAI_BASE_URL`. */
  modelUrl?: string
  derivationTiming?: DerivationTiming
  indexIntervalMs?: number
  /** Default: the usual one. `patient` for tests of what is remembered, also on a slow machine. */
  recollectionMaxMs?: number
}

/** The whole engine in this process, on the given database, with a scripted model behind real HTTP. */
export async function startTestEngine({
  database,
  script,
  verifier,
  env = {},
  clock = systemClock,
  modelUrl,
  derivationTiming,
  indexIntervalMs,
  recollectionMaxMs,
}: TestEngineOptions): Promise<TestEngine> {
  let modelCalls = 0
  const model = await startOfflineModel({
    tokensPerSecond: Number.POSITIVE_INFINITY,
    script: (request) => {
      modelCalls += 1
      return script?.(request) ?? null
    },
  })
  const config: Config = readConfig({ PORT: "0", OPENAI_BASE_URL: model.baseUrl, ...env }, "start")
  const client = openaiClient({
    baseUrl: modelUrl ?? model.baseUrl,
    apiKey: undefined,
    model: "test",
    timeouts: {
      connectMs: config.llm.connectTimeoutMs,
      firstTokenMs: config.llm.firstTokenTimeoutMs,
      idleMs: config.llm.idleTimeoutMs,
      totalMs: config.llm.totalTimeoutMs,
    },
  })
  const development = developmentSignIn({ secret: "a secret of the tests, long enough for HS256", clock })
  const statements: string[] = []
  const log: string[] = []
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(line) })
  const counting = countStatements(database, statements)
  const signIn = {
    verifier: verifier ?? development.verifier,
    development: verifier === undefined ? development : null,
  }
  const engine = await compose(
    config,
    logger,
    counting,
    client,
    signIn,
    clock,
    derivationTiming,
    indexIntervalMs,
    recollectionMaxMs,
  )
  const { port } = await engine.listen()
  const url = `http://127.0.0.1:${port}`
  let drained: Promise<void> | null = null
  const drain = () => (drained ??= engine.drain())
  return {
    url,
    takeStatements: () => statements.splice(0),
    user: async (id = randomUUID(), ttlSeconds) =>
      new TestUser(url, id, (await development.issue(id, ttlSeconds)).access_token),
    log,
    modelCalls: () => modelCalls,
    drain,
    close: async () => {
      await drain()
      await client.close()
      await model.close()
    },
  }
}

function countStatements(database: Database, statements: string[]): Database {
  return {
    query: <Row extends object>(statement: Statement, parameters?: Parameter[]) => {
      statements.push(statement.name)
      return database.query<Row>(statement, parameters)
    },
    session: (work) => database.session(work),
    ping: () => database.ping(),
    close: () => database.close(),
  }
}
