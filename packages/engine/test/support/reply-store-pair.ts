import { expect } from "vitest"
import type { Database } from "../../src/db/database.ts"
import { PostgresReplyStore } from "../../src/db/postgres-reply-store.ts"
import type { ReplyStore } from "../../src/ports.ts"
import { sql } from "./database-sql.ts"
import type { ReplyRow } from "./memory-reply-rows.ts"
import { MemoryReplyStore } from "./memory-reply-store.ts"

const rowsOf = `select r.id::text as id, r.message_id::text as message, r.position, r.status, r.attempt, r.calls,
    r.lease_owner as owner, r.stop_requested_at is not null as stop, r.text, r.error_code as error,
    r.input_tokens as input, r.output_tokens as output, r.superseded_by::text as superseded
  from grizz.replies r where r.conversation_id = any ($1::text[]::uuid[]) order by r.position, r.id`

/** The store of the simulation and the store of the engine, to which the same things are done. */
export class ReplyStorePair {
  readonly #database: Database
  readonly #memory: MemoryReplyStore
  readonly #postgres: PostgresReplyStore
  readonly #memoryTimes = new Times()
  readonly #postgresTimes = new Times()
  #timeMs = Date.UTC(2026, 0, 1)

  constructor(database: Database) {
    this.#database = database
    this.#memory = new MemoryReplyStore({ now: () => (this.#timeMs += 1), leaseMs: 3_600_000 })
    this.#postgres = new PostgresReplyStore(database, { leaseSeconds: 3600 })
  }

  async create(userId: string, id: string): Promise<void> {
    this.#memory.create(userId, id)
    const insert = `insert into public.conversations (id, user_id, created_at, updated_at)
      values ($1::uuid, $2::uuid, now(), now())`
    await sql(this.#database, insert, [id, userId])
  }

  /** Does it to both, and gives what both answered; fails where they differ, in the answer or in what is stored then. */
  async both<Answer>(call: (store: ReplyStore) => Promise<Answer>): Promise<Answer | undefined> {
    const [memory, postgres] = await Promise.allSettled([call(this.#memory), call(this.#postgres)])
    // An error is a broken constraint here, and an exception there: that both refuse is all that they share.
    const answerOf = (settled: PromiseSettledResult<Answer>) =>
      settled.status === "fulfilled" ? settled.value : "refused"
    expect(this.#memoryTimes.name(answerOf(memory))).toEqual(this.#postgresTimes.name(answerOf(postgres)))
    expect(this.#memory.replies.map(toRow).sort(byPlace)).toEqual(await this.#rows())
    return memory.status === "fulfilled" ? memory.value : undefined
  }

  /** The leases of a conversation's replies run out. */
  async expire(conversationId: string): Promise<void> {
    for (const reply of this.#memory.conversation(conversationId)?.replies ?? []) {
      if (reply.status === "running") reply.leaseUntilMs = Number.NEGATIVE_INFINITY
    }
    const expire = `update grizz.replies set lease_until = clock_timestamp() - interval '1 second'
      where conversation_id = $1::uuid and status = 'running'`
    await sql(this.#database, expire, [conversationId])
  }

  async close(): Promise<void> {
    await sql(this.#database, "delete from public.conversations where id = any ($1::text[]::uuid[])", [this.#ids])
  }

  get #ids(): string[] {
    return this.#memory.conversations.map(({ id }) => id)
  }

  async #rows(): Promise<object[]> {
    return (await sql<Row>(this.#database, rowsOf, [this.#ids])).sort(byPlace)
  }
}

type Row = ReturnType<typeof toRow>

function toRow(reply: ReplyRow) {
  const { id, messageId, position, status, attempt, calls, owner, text, usage } = reply
  return {
    id,
    message: messageId,
    position,
    status,
    attempt,
    calls,
    owner,
    stop: reply.isStopRequested,
    text,
    error: reply.errorCode,
    input: usage?.inputTokens ?? null,
    output: usage?.outputTokens ?? null,
    superseded: reply.supersededBy,
  }
}

function byPlace(a: Row, b: Row): number {
  return a.position - b.position || (a.id < b.id ? -1 : 1)
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

/** Names times by the order in which they come up, and by their order within one answer. */
class Times {
  readonly #names = new Map<string, number>()

  name(answer: unknown): unknown {
    // What belongs to different conversations has no order.
    if (Array.isArray(answer)) return answer.map((one) => this.name(one))
    const found = new Set<string>()
    visit(answer, (text) => void found.add(text))
    const ranks = [...found].sort()
    return visit(answer, (text) => {
      if (!this.#names.has(text)) this.#names.set(text, this.#names.size)
      return `time ${this.#names.get(text)}, rank ${ranks.indexOf(text)}`
    })
  }
}

/** A copy in which every time is replaced. */
function visit(value: unknown, replace: (time: string) => unknown): unknown {
  if (typeof value === "string") return time.test(value) ? replace(value) : value
  if (Array.isArray(value)) return value.map((one) => visit(one, replace))
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, visit(one, replace)]))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, visit(one, replace)]))
}
