import type { DerivationJob, DerivationStore, DerivedMemory, TranscriptLine } from "../memory-ports.ts"
import type { Database, Statement } from "./database.ts"

const schedule: Statement = {
  name: "grizz_schedule_derivations",
  text: "select grizz.schedule_derivations($1::integer * interval '1 second')",
}

const claim: Statement = {
  name: "grizz_claim_derivation",
  text: "select grizz.claim_derivation($1::uuid, $2::integer * interval '1 second') as job",
}

const readTranscript: Statement = {
  name: "grizz_read_transcript",
  text: `select m.id::text as id, m.position, m.role, case when (select r.superseded_by from grizz.replies r where r.id = m.id) is null
          and not grizz.was_paused($5::uuid, m.created_at) then left(m.content, $4::integer) else '' end as content,
      grizz.rfc3339(m.created_at) as created_at
    from public.messages m
    where m.conversation_id = $1::uuid and m.position > $2::integer
    order by m.position limit $3::integer`,
}

const readKnown: Statement = {
  name: "grizz_read_known_facts",
  text: `select m.id::text as id, m.text from grizz.memories m
    where m.user_id = $1::uuid and m.kind = 'fact' and m.superseded_by is null
    order by m.created_at desc, m.id desc limit $2::integer`,
}

const spendCall: Statement = {
  name: "grizz_spend_memory_call",
  text: `insert into grizz.memory_budgets as b (user_id, day, calls)
    values ($1::uuid, (clock_timestamp() at time zone 'UTC')::date, 1)
    on conflict (user_id, day) do update set calls = b.calls + 1 where b.calls < $2::integer and b.tokens < $3::integer
    returning b.calls`,
}

const spendTokens: Statement = {
  name: "grizz_spend_memory_tokens",
  text: `update grizz.memory_budgets b set tokens = b.tokens + $2::integer
    where b.user_id = $1::uuid and b.day = (clock_timestamp() at time zone 'UTC')::date`,
}

const save: Statement = {
  name: "grizz_save_derived",
  text: "select grizz.save_derived($1::uuid, $2::uuid, $3, $4::text::jsonb, $5) as saved",
}

const end: Statement = {
  name: "grizz_end_derivation",
  text: "select grizz.end_derivation($1::uuid, $2::uuid, $3, $4::integer, $5::integer * interval '1 second')",
}

const postpone: Statement = {
  name: "grizz_postpone_derivation",
  text: `update grizz.derivations d set claim = null, due_at = clock_timestamp() + $4::integer * interval '1 second',
      attempts = case when $5::boolean then d.attempts else d.attempts - 1 end
    where d.conversation_id = $2::uuid and d.kind = $3 and d.claim = $1::uuid`,
}

interface JobJson {
  conversation_id: string
  user_id: string
  kind: "facts" | "summary"
  day: string | null
  position: number
  until: number
  attempt: number
  is_paused: boolean
}

/** What is to be derived, in PostgreSQL. */
export class PostgresDerivationStore implements DerivationStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async schedule(quietSeconds: number): Promise<void> {
    await this.#database.query(schedule, [quietSeconds])
  }

  async claim(claimId: string, leaseSeconds: number): Promise<DerivationJob | null> {
    const [row] = await this.#database.query<{ job: JobJson | null }>(claim, [claimId, leaseSeconds])
    const job = row?.job ?? null
    if (job === null) return null
    const { conversation_id: conversationId, user_id: userId, kind, day, position, until, attempt } = job
    return { claimId, conversationId, userId, kind, day, position, until, attempt, isPaused: job.is_paused }
  }

  async transcript(
    { conversationId, userId }: DerivationJob,
    after: number,
    limits: { messages: number; messageLength: number },
  ): Promise<TranscriptLine[]> {
    const parameters = [conversationId, after, limits.messages, limits.messageLength, userId]
    const rows = await this.#database.query<Omit<TranscriptLine, "createdAt"> & { created_at: string }>(
      readTranscript,
      parameters,
    )
    return rows.map(({ created_at: createdAt, ...line }) => ({ ...line, createdAt }))
  }

  knownFacts(userId: string, limit: number): Promise<{ id: string; text: string }[]> {
    return this.#database.query(readKnown, [userId, limit])
  }

  async spendCall(userId: string, budget: { calls: number; tokens: number }): Promise<boolean> {
    return (await this.#database.query(spendCall, [userId, budget.calls, budget.tokens])).length > 0
  }

  async spendTokens(userId: string, tokens: number): Promise<void> {
    await this.#database.query(spendTokens, [userId, tokens])
  }

  async save(job: DerivationJob, memories: DerivedMemory[], version: string): Promise<number> {
    const { claimId, conversationId, kind } = job
    const parameters = [
      claimId,
      conversationId,
      kind === "facts" ? "fact" : "summary",
      JSON.stringify(memories),
      version,
    ]
    const [row] = await this.#database.query<{ saved: number }>(save, parameters)
    return row!.saved
  }

  async end({ claimId, conversationId, kind }: DerivationJob, position: number, againSeconds: number): Promise<void> {
    await this.#database.query(end, [claimId, conversationId, kind, position, againSeconds])
  }

  async postpone(job: DerivationJob, seconds: number, counts: boolean): Promise<void> {
    await this.#database.query(postpone, [job.claimId, job.conversationId, job.kind, seconds, counts])
  }
}
