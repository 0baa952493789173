import { writeFileSync } from "node:fs"
import { chartOf } from "./chart.ts"
import { comparisonTable } from "./compare.ts"
import type { Report } from "./figures.ts"
import { type Options, readOptions, UsageError, usage } from "./options.ts"
import { readReport } from "./report.ts"
import { measure } from "./run.ts"
import { tablesOf } from "./table.ts"

/** No run takes longer, whatever hangs. */
const deadlineMs = 40 * 60_000

const say = (progress: string) => process.stderr.write(`${progress}\n`)

/** Why the run is being ended before its time; what fails from then on is no news. */
const interruption = new AbortController()

try {
  const options = readOptions(process.argv.slice(2))
  if (options === null) console.log(usage)
  else await run(options)
} catch (error) {
  if (!interruption.signal.aborted) fail(error)
}

function fail(error: unknown): void {
  const isUsage = error instanceof UsageError
  const reason = error instanceof Error ? error.message : String(error)
  say(isUsage ? `${reason}\n\n${usage}` : `The bench failed: ${reason}`)
  process.exitCode = isUsage ? 2 : 1
}

async function run(options: Options): Promise<void> {
  // Read first: a wrong file is told before minutes are spent.
  const old = options.compare === undefined ? null : readReport(options.compare)
  const report = options.from === undefined ? await measureUninterrupted(options) : readReport(options.from)
  console.log(tablesOf(report))
  if (old !== null) console.log(`\n${comparisonTable(old, report)}`)
  if (options.chart !== undefined) writeFileSync(options.chart, chartOf(report))
  if (options.json) console.log(JSON.stringify(report))
}

async function measureUninterrupted(options: Options): Promise<Report> {
  await using stack = new AsyncDisposableStack()
  const stop = (reason: string, exitCode: number) => {
    // Ctrl-C under npm arrives twice.
    if (interruption.signal.aborted) return
    say(reason)
    interruption.abort()
    void stack.disposeAsync().finally(() => process.exit(exitCode))
  }
  process.on("SIGINT", () => stop("interrupted", 130))
  process.on("SIGTERM", () => stop("terminated", 143))
  const late = `The bench failed: not done after ${deadlineMs / 60_000} minutes.`
  // Whatever nobody foresaw must not leave a server behind either.
  process.on("uncaughtException", (error) => stop(`The bench failed: ${error.stack ?? error.message}`, 1))
  const deadline = setTimeout(() => stop(late, 1), deadlineMs)
  stack.defer(() => clearTimeout(deadline))
  // Awaited here: what is returned unawaited loses its servers.
  return await measure(options, stack, say)
}
