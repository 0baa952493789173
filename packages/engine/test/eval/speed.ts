import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { createStores } from "../../src/db/stores.ts"
import { sql } from "../support/database-sql.ts"

export interface Latency {
  p50: number
  p95: number
}

const questions = 200
const messagesEach = 200
const insertAtOnce = 10_000

/** Words with the frequencies of a language without its stop words: the commonest is in one message of 16. */
const words = (count: string) => `(
  select string_agg('word' || floor(50 * exp(random() * ln(600)))::integer, ' ') from generate_series(1, ${count}))`

/**
 * How long a recall takes, in ms, where the user has so many messages: generated, in conversations of 200, on a database
 * with nothing else in it.
 */
export async function measureLatency(database: Database, size: number): Promise<Latency> {
  const userId = newId()
  await sql(database, "select setseed(0.5)")
  await sql(
    database,
    `insert into public.conversations (id, user_id, created_at, updated_at)
     select md5($1 || n)::uuid, $1::uuid, now() - n * interval '1 day', now() - n * interval '1 day'
     from generate_series(0, ($2::integer - 1) / ${messagesEach}) n`,
    [userId, size],
  )
  for (let from = 0; from < size; from += insertAtOnce) {
    await sql(
      database,
      `insert into public.messages (id, conversation_id, role, content, position, created_at)
       select md5($1 || ' ' || n)::uuid, md5($1 || n / ${messagesEach})::uuid,
         case when n % 2 = 0 then 'user' else 'assistant' end, ${words("10 + n % 20")}, n % ${messagesEach},
         now() - n / ${messagesEach} * interval '1 day' + n % ${messagesEach} * interval '1 minute'
       from generate_series($2::integer, $3::integer - 1) n`,
      [userId, from, Math.min(size, from + insertAtOnce)],
    )
  }
  const { messageIndex } = createStores(database, newId)
  while (await messageIndex.indexNext());
  await database.session((session) => session.script("vacuum analyze"))

  const tookMs: number[] = []
  for (let question = 0; question < questions; question++) {
    const [row] = await sql<{ text: string }>(database, `select ${words("$1::integer")} as text`, [4 + (question % 6)])
    const startedMs = performance.now()
    await sql(database, "select * from grizz.recall($1::uuid, $2, null, null, clock_timestamp(), 'UTC', 50)", [
      userId,
      row!.text,
    ])
    tookMs.push(performance.now() - startedMs)
  }
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => Math.round(10 * tookMs[Math.floor(share * questions)]!) / 10
  return { p50: at(0.5), p95: at(0.95) }
}
