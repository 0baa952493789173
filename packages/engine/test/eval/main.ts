import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { loadTokenCounter } from "../../src/agents/token-count.ts"
import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"
import { migrate } from "../../src/db/migrate.ts"
import { PostgresRecallStore } from "../../src/db/postgres-recall-store.ts"
import { readLocomo, type Sample } from "./locomo.ts"

const { values: flags } = parseArgs({
  options: { data: { type: "string" }, json: { type: "boolean", default: false }, only: { type: "string" } },
})
const root = fileURLToPath(new URL("../../../../", import.meta.url))
const path = flags.data ?? `${root}../shared/data/locomo/locomo-dev.json`

const cuts = [5, 10, 25, 50]
const adversarial = 5

/** Shares of the evidence found, per question. */
interface Score {
  category: number
  at: number[]
  within: number[]
}

async function plant(
  database: Database,
  { sessions, speakers }: Sample,
): Promise<{ userId: string; ids: Map<string, string> }> {
  const userId = newId()
  const ids = new Map<string, string>()
  let minute = 0
  for (const { turns } of sessions) {
    const conversationId = newId()
    const text = "insert into public.conversations (id, user_id, updated_at) values ($1::uuid, $2::uuid, now())"
    await database.query({ name: "eval_conversation", text }, [conversationId, userId])
    for (const [position, turn] of turns.entries()) {
      const id = newId()
      ids.set(id, turn.id)
      const role = turn.speaker === speakers[0] ? "user" : "assistant"
      const insert = `insert into public.messages (id, conversation_id, user_id, role, content, position, created_at)
        values ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6::integer, '2023-01-01T00:00:00Z'::timestamptz + $7::integer * interval '1 minute')`
      const row = [id, conversationId, userId, role, turn.text, position, (minute += 1)]
      await database.query({ name: "eval_message", text: insert }, row)
    }
  }
  return { userId, ids }
}

const percent = (shares: number[]) =>
  Math.round((1000 * shares.reduce((sum, share) => sum + share, 0)) / Math.max(1, shares.length)) / 10

const recallOf = (scores: Score[]) =>
  Object.fromEntries(cuts.map((cut, index) => [`at${cut}`, percent(scores.map(({ at }) => at[index]!))]))

async function evaluate(samples: Sample[]) {
  const database = await openEmbeddedDatabase({ directory: null })
  const countTokens = await loadTokenCounter()
  const scores: Score[] = []
  const tookMs: number[] = []
  try {
    await migrate(database)
    const store = new PostgresRecallStore(database)
    for (const sample of samples) {
      const { userId, ids } = await plant(database, sample)
      const conversationId = newId()
      const text = "insert into public.conversations (id, user_id, updated_at) values ($1::uuid, $2::uuid, now())"
      await database.query({ name: "eval_conversation", text }, [conversationId, userId])
      for (const { text: question, category, evidence } of sample.questions) {
        const startedMs = performance.now()
        const quotes = await store.recall({ conversationId, text: question, inContext: 0, limit: 50 })
        tookMs.push(performance.now() - startedMs)
        const ranks = quotes.map(({ messageId }) => ids.get(messageId)!)
        const share = (found: string[]) => evidence.filter((id) => found.includes(id)).length / evidence.length
        const within = [1000, 2000].map((limit) => {
          let left = limit
          return share(ranks.filter((_, index) => (left -= countTokens(quotes[index]!.content) + 4) >= 0))
        })
        scores.push({ category, at: cuts.map((cut) => share(ranks.slice(0, cut))), within })
      }
    }
  } finally {
    await database.close()
  }
  const usual = scores.filter(({ category }) => category !== adversarial)
  const categories = [...new Set(scores.map(({ category }) => category))].sort()
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => Math.round(10 * (tookMs[Math.floor(share * tookMs.length)] ?? 0)) / 10
  return {
    questions: usual.length,
    recall: recallOf(usual),
    all_categories: recallOf(scores),
    by_category: Object.fromEntries(categories.map((c) => [c, recallOf(scores.filter((s) => s.category === c))])),
    within_tokens: { 1000: percent(usual.map((s) => s.within[0]!)), 2000: percent(usual.map((s) => s.within[1]!)) },
    latency_ms: { embedded_600: { p50: at(0.5), p95: at(0.95) } },
  }
}

if (!existsSync(path)) {
  console.log(
    `eval:memory is skipped: there is no ${flags.data ?? "../shared/data/locomo/locomo-dev.json"} (--data FILE)`,
  )
} else {
  const samples = await readLocomo(path)
  const chosen = flags.only?.split(",")
  const result = await evaluate(samples.filter(({ id }) => chosen?.includes(id) ?? true))
  console.log(JSON.stringify(result, null, flags.json ? 0 : 2))
}
