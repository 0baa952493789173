import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Bench, Scenario } from "./bench.ts"
import type { Outcome, Report } from "./figures.ts"
import { type BenchDatabase, startDatabase } from "./machine/database.ts"
import { hasRedis } from "./machine/redis.ts"
import { startModelServer } from "./model/start-model-server.ts"
import { type Options, UsageError } from "./options.ts"
import { reportOf } from "./report.ts"

/** Runs the scenarios one after the other, each with fresh servers. Whatever it starts is ended with `stack`. */
export async function measure(
  options: Options,
  stack: AsyncDisposableStack,
  say: (progress: string) => void,
): Promise<Report> {
  if (process.platform !== "linux") throw new Error("CPU and memory are read from /proc, so it runs on Linux only.")
  const database = await startDatabase(stack, temporaryFolder(stack), options.database)
  say(database.description)
  const bench: Bench = { database, model: await startModelServer(stack), sizes: options.sizes, say }
  const outcomes = new Map<string, Outcome>()
  for (const scenario of options.scenarios) {
    const missing = missingFor(scenario, database)
    if (missing !== null) {
      if (options.isChosen) throw new UsageError(`The scenario ${scenario.name} needs ${missing}.`)
      say(`${scenario.name}: left out, it needs ${missing}`)
      continue
    }
    // A child of the run's stack, so that an interruption ends what the scenario has started.
    await using own = stack.use(new AsyncDisposableStack())
    outcomes.set(scenario.name, await scenario.run(bench, own))
  }
  return reportOf(outcomes, database.description)
}

/** What a scenario needs and this machine does not have, for people; null when it can run. */
function missingFor({ needs }: Scenario, database: BenchDatabase): string | null {
  if (needs.includes("server") && !database.isServer)
    return "a PostgreSQL server: its binaries, and not --database embedded"
  if (needs.includes("redis") && !hasRedis()) return "redis-server or valkey-server on the PATH"
  return null
}

/** The database's files go here too, so another user has to get in. */
function temporaryFolder(stack: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "grizz-bench-"))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o711)
  process.env["TMPDIR"] = folder
  return folder
}
