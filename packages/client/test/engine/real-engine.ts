import { randomUUID } from "node:crypto"
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest"
import type { Database } from "../../../engine/src/db/database.ts"
import { openEmbeddedDatabase } from "../../../engine/src/db/embedded-database.ts"
import { migrate } from "../../../engine/src/db/migrate.ts"
import { startTestEngine, type TestEngine } from "../../../engine/test/support/engine.ts"
import { ScriptedModel } from "../../../engine/test/support/scripted-model.ts"
import { type Conversation, type ConversationState, GrizzClient, type GrizzClientOptions } from "../../src/index.ts"
import { Line } from "./line.ts"

const timing = { backoffBaseMs: 4, backoffMaxMs: 50, connectTimeoutMs: 10_000 }

export const isOpen = (state: ConversationState) => state.connection.status === "open"
/** So many messages are shown, and nothing is under way. */
export const isQuietWith = (count: number) => (state: ConversationState) =>
  state.messages.length === count && state.reply === null && state.queued.length === 0 && state.pending.length === 0

/** The engine itself, on an embedded database and a scripted model, behind a line that can be cut; new for each test. */
export class RealEngine {
  #database: Database | null = null
  #engine: TestEngine | null = null
  #line: Line | null = null
  readonly #open: Conversation[] = []
  /** Milliseconds that the engine's clock is ahead of this machine's. */
  aheadMs = 0
  model = new ScriptedModel()
  userId: string = randomUUID()

  constructor() {
    beforeAll(async () => {
      this.#database = await openEmbeddedDatabase({ directory: null })
      await migrate(this.#database)
    }, 60_000)
    afterAll(() => this.#database?.close())
    beforeEach(async () => {
      this.aheadMs = 0
      this.model = new ScriptedModel()
      this.userId = randomUUID()
      await this.start()
      this.#line = await Line.to(() => Number(new URL(this.engine.url).port))
    })
    afterEach(async () => {
      for (const one of this.#open.splice(0)) one.close()
      await this.#line?.close()
      await this.#engine?.close()
    })
  }

  get engine(): TestEngine {
    if (this.#engine === null) throw new Error("no engine runs")
    return this.#engine
  }

  get line(): Line {
    if (this.#line === null) throw new Error("no test runs")
    return this.#line
  }

  async start(): Promise<void> {
    if (this.#database === null) throw new Error("no database")
    this.#engine = await startTestEngine({
      database: this.#database,
      script: (request) => this.model.script(request),
      env: { DRAIN_TIMEOUT_MS: "0" },
      clock: { now: () => Date.now() + this.aheadMs },
    })
  }

  /** Shuts the engine down as a deploy does, and starts another one on its database. */
  async restart(): Promise<void> {
    await this.engine.close()
    await this.start()
  }

  /** @param ttlSeconds how long it is good; an hour when left out */
  async token(userId = this.userId, ttlSeconds = 3600): Promise<string> {
    return (await this.engine.user(userId, ttlSeconds)).token
  }

  client(options: Partial<GrizzClientOptions> = {}): GrizzClient {
    const { timing: given, ...others } = options
    return new GrizzClient({
      url: this.line.url,
      token: () => this.token(),
      timing: { ...timing, ...given },
      ...others,
    })
  }

  /** Closed after the test. */
  follow(conversation: Conversation): Conversation {
    this.#open.push(conversation)
    return conversation
  }

  today(options: Partial<GrizzClientOptions> = {}): Conversation {
    return this.follow(this.client(options).today("UTC"))
  }

  /** Every message of a conversation as the engine's history has it. */
  async history(conversationId: string | null) {
    const id = conversationId ?? ""
    const client = new GrizzClient({ url: this.engine.url, token: () => this.token() })
    return (await client.call("GET /conversations/{id}/messages", { id, query: { limit: 200 } })).data
  }
}
