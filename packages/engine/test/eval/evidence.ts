import { loadTokenCounter } from "../../src/agents/token-count.ts"
import { newId } from "../../src/core/ids.ts"
import type { Database, Parameter } from "../../src/db/database.ts"
import { createStores } from "../../src/db/stores.ts"
import { sql } from "../support/database-sql.ts"
import type { Sample } from "./locomo.ts"

export const cuts = [5, 10, 25, 50] as const
export const budgets = [1000, 2000] as const

/** Share of a question's evidence that was found among the first so many messages, and within so many tokens of them. */
export interface Found {
  sample: string
  category: number
  at: number[]
  within: number[]
}

export type Method = "recall" | "newest" | "ts_rank_cd"

interface Quote {
  id: string
  content: string
}

const limit = 100
const statements: Record<Method, string> = {
  recall: `select r.message_id::text as id, r.content
    from grizz.recall($1::uuid, $2, null, null, $3::text::timestamptz, 'UTC', ${limit}) r`,
  newest: `select m.id::text as id, m.content from public.messages m join public.conversations c on c.id = m.conversation_id
    where c.user_id = $1::uuid and $2::text is not null and m.created_at < $3::text::timestamptz
    order by m.created_at desc limit ${limit}`,
  ts_rank_cd: `select m.id::text as id, m.content
    from public.messages m join public.conversations c on c.id = m.conversation_id,
      (select string_agg(quote_literal(w), ' | ')::tsquery as query
        from unnest(tsvector_to_array(to_tsvector('english', $2))) w) asked
    where c.user_id = $1::uuid and m.created_at < $3::text::timestamptz and to_tsvector('english', m.content) @@ asked.query
    order by ts_rank_cd(to_tsvector('english', m.content), asked.query) desc, m.created_at desc limit ${limit}`,
}

/** Asks all questions of all samples, each sample as a user with one conversation a session. */
export async function findEvidence(
  database: Database,
  samples: Sample[],
  methods: readonly Method[],
): Promise<Record<Method, Found[]>> {
  const countTokens = await loadTokenCounter()
  const found: Record<Method, Found[]> = { recall: [], newest: [], ts_rank_cd: [] }
  for (const sample of samples) {
    const { userId, turns, askedAt } = await plant(database, sample)
    for (const { text, asked, category, evidence } of sample.questions) {
      for (const method of methods) {
        const parameters: Parameter[] = [userId, method === "recall" ? asked : text, askedAt.toISOString()]
        const quotes = await sql<Quote>(database, statements[method], parameters)
        const share = (some: Quote[]) =>
          some.filter(({ id }) => evidence.includes(turns.get(id)!)).length / evidence.length
        const within = (tokens: number) =>
          quotes.filter(({ content }) => {
            const cost = countTokens(content)
            if (cost > tokens) return false
            tokens -= cost
            return true
          })
        found[method].push({
          sample: sample.id,
          category,
          at: cuts.map((cut) => share(quotes.slice(0, cut))),
          within: budgets.map((budget) => share(within(budget))),
        })
      }
    }
  }
  return found
}

async function plant(database: Database, { sessions }: Sample) {
  const userId = newId()
  const turns = new Map<string, string>()
  let last = 0
  for (const { at, turns: said } of sessions) {
    const conversationId = newId()
    const rows = said.map((turn, position) => {
      const id = newId()
      turns.set(id, turn.id)
      last = Math.max(last, at.getTime() + position * 60_000)
      const createdAt = new Date(at.getTime() + position * 60_000)
      return { id, role: turn.role, content: turn.text, position, created_at: createdAt }
    })
    await sql(
      database,
      `insert into public.conversations (id, user_id, updated_at) values ($1::uuid, $2::uuid, clock_timestamp())`,
      [conversationId, userId],
    )
    await sql(
      database,
      `insert into public.messages (id, conversation_id, role, content, position, created_at)
       select r.id, $1::uuid, r.role, r.content, r.position, r.created_at
       from json_to_recordset($2::text::json)
         r (id uuid, role text, content text, position integer, created_at timestamptz)`,
      [conversationId, JSON.stringify(rows)],
    )
  }
  const { messageIndex } = createStores(database, newId)
  while (await messageIndex.indexNext());
  return { userId, turns, askedAt: new Date(last + 24 * 3_600_000) }
}
