import type { Database } from "../../src/db/database.ts"
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"
import { migrate } from "../../src/db/migrate.ts"
import { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { findPostgresBinaries, startPostgresServer } from "../support/postgres-server.ts"
import { budgets, cuts, type Found, findEvidence } from "./evidence.ts"
import type { Sample } from "./locomo.ts"
import { type Latency, measureLatency } from "./speed.ts"

type AtCuts = Record<`at${(typeof cuts)[number]}`, number>

/** Shares in per cent, times in ms. */
export interface Report {
  /** How many there are without the adversarial ones. */
  questions: number
  recall: AtCuts
  all_categories: AtCuts
  by_category: Record<string, AtCuts>
  within_tokens: Record<(typeof budgets)[number], number>
  /** By database and number of messages of one user. */
  latency_ms: { embedded: Record<string, Latency>; server?: Record<string, Latency> }
  baselines: { newest: AtCuts; ts_rank_cd: AtCuts }
}

const adversarial = 5
const small = 600
const large = [50_000, 1_000_000]

/** Evidence is looked for on the server where there is one: both find the same, which the contract tests see. */
export async function evaluate(
  samples: Sample[],
  { tunedOn, withScale }: { tunedOn: ReadonlySet<string>; withScale: boolean },
): Promise<{ report: Report; parts: Record<string, AtCuts> }> {
  const hasServer = findPostgresBinaries() !== null
  const embedded = await onEmbedded((database) => measureLatency(database, small))
  const methods = ["recall", "newest", "ts_rank_cd"] as const
  const found = await (hasServer ? onServer : onEmbedded)((database) => findEvidence(database, samples, methods))
  const server: Record<string, Latency> = {}
  for (const size of hasServer ? [small, ...(withScale ? large : [])] : []) {
    server[size] = await onServer((database) => measureLatency(database, size))
  }
  const usual = (all: Found[]) => all.filter(({ category }) => category !== adversarial)
  const asked = usual(found.recall)
  const categories = [...new Set(found.recall.map(({ category }) => category))].sort((a, b) => a - b)
  const [first, second] = budgets
  const report: Report = {
    questions: asked.length,
    recall: atCuts(asked),
    all_categories: atCuts(found.recall),
    by_category: Object.fromEntries(
      categories.map((category) => [category, atCuts(found.recall.filter((one) => one.category === category))]),
    ),
    within_tokens: { [first]: within(asked, 0), [second]: within(asked, 1) },
    latency_ms: { embedded: { [small]: embedded }, ...(hasServer && { server }) },
    baselines: { newest: atCuts(usual(found.newest)), ts_rank_cd: atCuts(usual(found.ts_rank_cd)) },
  }
  const parts = {
    "not used for tuning": atCuts(asked.filter(({ sample }) => !tunedOn.has(sample))),
    "used for tuning": atCuts(asked.filter(({ sample }) => tunedOn.has(sample))),
  }
  return { report, parts }
}

function atCuts(found: Found[]): AtCuts {
  const [at5, at10, at25, at50] = cuts.map((_, index) => percent(found.map(({ at }) => at[index]!)))
  return { at5: at5!, at10: at10!, at25: at25!, at50: at50! }
}

const within = (found: Found[], budget: number) => percent(found.map((one) => one.within[budget]!))

const percent = (shares: number[]) =>
  Math.round((1000 * shares.reduce((sum, share) => sum + share, 0)) / Math.max(1, shares.length)) / 10

async function onEmbedded<T>(work: (database: Database) => Promise<T>): Promise<T> {
  return migrated(await openEmbeddedDatabase({ directory: null }), work)
}

/** On a server of its own, which has nothing else to do. */
async function onServer<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const server = await startPostgresServer()
  const limits = { poolSize: 2, maxOverflow: 0, recycleSeconds: 86_400, statementTimeoutMs: 600_000 }
  try {
    return await migrated(new PostgresDatabase({ url: server.url("postgres"), ...limits }), work)
  } finally {
    await server.stop()
  }
}

async function migrated<T>(database: Database, work: (database: Database) => Promise<T>): Promise<T> {
  try {
    await migrate(database)
    return await work(database)
  } finally {
    await database.close()
  }
}
