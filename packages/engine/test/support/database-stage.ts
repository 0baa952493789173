import { randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import type { MessagePage } from "@grizz/protocol"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { openServerDatabase } from "./database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "./engine.ts"
import { FaultyPostgres } from "./faulty-postgres.ts"
import type { PostgresServerOptions } from "./postgres-server.ts"
import { ScriptedModel } from "./scripted-model.ts"
import { foldText, type Wire } from "./wire.ts"

export interface DatabaseStageOptions extends PostgresServerOptions {
  statementTimeoutMs?: number
}

/** One user's reply that runs while a fault is there, with two devices that read it. */
export interface RunningTurn {
  user: TestUser
  conversationId: string
  replyId: string
  devices: [Wire, Wire]
}

/** An engine on a PostgreSQL server of its own, which a test breaks while a reply runs and others send. */
export class DatabaseStage {
  readonly postgres: FaultyPostgres
  readonly database: PostgresDatabase
  readonly engine: TestEngine
  /** Answers "go"; everything else is answered by "ok" at once. */
  readonly model: ScriptedModel
  /** Ids of every message that some device was told of. */
  readonly #acknowledged = new Set<string>()

  private constructor(postgres: FaultyPostgres, database: PostgresDatabase, engine: TestEngine, model: ScriptedModel) {
    this.postgres = postgres
    this.database = database
    this.engine = engine
    this.model = model
  }

  static async start({ statementTimeoutMs = 15_000, ...options }: DatabaseStageOptions = {}): Promise<DatabaseStage> {
    const postgres = await FaultyPostgres.start(options)
    const database = openServerDatabase(postgres.url, { statementTimeoutMs })
    await migrate(database)
    const model = new ScriptedModel()
    const engine = await startTestEngine({
      database,
      script: (request) => (request.messages.at(-1)?.content === "go" ? model.script(request) : [{ text: "ok" }]),
      env: { DRAIN_TIMEOUT_MS: "300" },
    })
    return new DatabaseStage(postgres, database, engine, model)
  }

  /** A user with a conversation, connected to it. */
  async join(user?: TestUser): Promise<{ user: TestUser; conversationId: string; wire: Wire }> {
    const joined = user ?? (await this.engine.user())
    const conversationId = await joined.today()
    return { user: joined, conversationId, wire: await joined.connect(conversationId) }
  }

  joinMany(count: number): Promise<{ user: TestUser; conversationId: string; wire: Wire }[]> {
    return Promise.all(Array.from({ length: count }, () => this.join()))
  }

  /** A reply that has said "before, " to both devices of its user. */
  async begin(): Promise<RunningTurn> {
    const { user, conversationId, wire } = await this.join()
    const devices: [Wire, Wire] = [wire, await user.connect(conversationId)]
    wire.say(randomUUID(), "go")
    this.model.say("before, ")
    const [{ reply_id: replyId }] = await Promise.all([wire.next("reply.delta"), devices[1].next("reply.delta")])
    return { user, conversationId, replyId, devices }
  }

  /** Sends, and waits for the acknowledgement or the refusal. */
  async send(wire: Wire, id: string = randomUUID()): Promise<"acknowledged" | "unavailable"> {
    wire.say(id, "hello")
    const answer = await wire.answer(id)
    if (answer.type !== "error") this.#acknowledged.add(id)
    else if (answer.code !== "unavailable") throw new Error(`refused otherwise: ${answer.code}`)
    return answer.type === "error" ? "unavailable" : "acknowledged"
  }

  /** Repeats one send, as a client does. */
  async sendUntilAcknowledged(wire: Wire, id: string = randomUUID()): Promise<void> {
    while ((await this.send(wire, id)) !== "acknowledged") await delay(50)
  }

  /** Ids of those that some device was told of, and that are not stored. */
  async lost(): Promise<string[]> {
    const told = [...this.#acknowledged]
    const rows = await this.postgres.query<{ id: string }>(
      "select id::text as id from public.messages where id = any ($1::uuid[]) and role = 'user'",
      [told],
    )
    const stored = new Set(rows.map(({ id }) => id))
    return told.filter((id) => !stored.has(id))
  }

  /** Replies that have not ended yet. */
  async unended(): Promise<number> {
    const [row] = await this.postgres.query<{ count: number }>(
      "select count(*)::int as count from grizz.replies where status in ('queued', 'running')",
    )
    return row!.count
  }

  async history(user: TestUser, conversationId: string): Promise<string[]> {
    const path = `/conversations/${conversationId}/messages`
    return (await user.request<MessagePage>("GET", path)).body.data.map(({ content }) => content)
  }

  async close(): Promise<void> {
    await this.engine.close()
    await this.database.close()
    await this.postgres.stop()
  }
}

/** What each device was told of a reply: its text, and its ends. */
export function toldOf(wire: Wire, replyId: string): { text: string; ends: string[] } {
  const ends = wire.frames.flatMap((frame) =>
    frame.type === "reply.ended" && frame.reply_id === replyId ? [frame.status] : [],
  )
  return { text: foldText(wire.frames, replyId), ends }
}
