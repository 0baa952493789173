import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { measureBurst } from "./burst.ts"
import { startDatabase } from "./database.ts"
import { measureIdle } from "./idle.ts"
import { type Plan, readPlan, UsageError, usage } from "./options.ts"
import { measurePaced } from "./paced.ts"
import { type Figures, type Report, reportOf, tableOf } from "./report.ts"
import { startModelServer, startServers } from "./servers.ts"

/** No run takes longer, whatever hangs. */
const deadlineMs = 10 * 60_000

const say = (progress: string) => process.stderr.write(`${progress}\n`)

/** Why the run is being ended before its time; what fails from then on is no news. */
const interruption = new AbortController()

try {
  const plan = readPlan(process.argv.slice(2))
  if (plan === null) console.log(usage)
  else await runPlan(plan)
} catch (error) {
  if (!interruption.signal.aborted) fail(error)
}

function fail(error: unknown): void {
  const isUsage = error instanceof UsageError
  say(
    isUsage
      ? `${error.message}\n\n${usage}`
      : `The bench failed: ${error instanceof Error ? error.message : String(error)}`,
  )
  process.exitCode = isUsage ? 2 : 1
}

async function runPlan(plan: Plan): Promise<void> {
  if (process.platform !== "linux") throw new Error("CPU and memory are read from /proc, so it runs on Linux only.")
  await using stack = new AsyncDisposableStack()
  const stop = (reason: string, exitCode: number) => {
    say(reason)
    interruption.abort()
    void stack.disposeAsync().finally(() => process.exit(exitCode))
  }
  process.once("SIGINT", () => stop("interrupted", 130))
  process.once("SIGTERM", () => stop("terminated", 143))
  const deadline = setTimeout(
    () => stop(`The bench failed: not done after ${deadlineMs / 60_000} minutes.`, 1),
    deadlineMs,
  )
  stack.defer(() => clearTimeout(deadline))
  const report = await measure(plan, stack)
  console.log(tableOf(report))
  if (plan.json) console.log(JSON.stringify(report))
}

async function measure(plan: Plan, stack: AsyncDisposableStack): Promise<Report> {
  const database = await startDatabase(stack, temporaryFolder(stack), plan.database)
  say(database.description)
  const model = await startModelServer(stack)
  const figures: Figures = {}
  if (plan.scenarios.has("burst") || plan.scenarios.has("paced")) {
    await using servers = stack.use(new AsyncDisposableStack())
    const both = await startServers(servers, database, model, { forMemory: false })
    if (plan.scenarios.has("burst")) figures.burst = await measureBurst(both, database, plan.burst, say)
    if (plan.scenarios.has("paced")) figures.paced = await measurePaced(both, model, plan.paced, say)
  }
  if (plan.scenarios.has("idle")) {
    await using servers = stack.use(new AsyncDisposableStack())
    const both = await startServers(servers, database, model, { forMemory: true })
    figures.idle = await measureIdle(both, plan.idleSockets, say)
  }
  return reportOf(figures, database.description)
}

/** The database's files go here too, so another user has to get in. */
function temporaryFolder(stack: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "grizz-bench-"))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o711)
  process.env["TMPDIR"] = folder
  return folder
}
