import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describeRun } from "./chaos-report.ts"
import { runChaos } from "./chaos-run.ts"
import { readOptions, UsageError } from "./options.ts"
import { Stage } from "./stage.ts"

const violationsShown = 40
const interrupted = 130

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  const folder = mkdtempSync(join(tmpdir(), "grizz-chaos-"))
  const stage = new Stage()
  say(`seed ${options.seed}, ${options.minutes} minutes; logs in ${folder}`)
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void stage.close().finally(() => process.exit(interrupted)))
  }
  try {
    const result = await runChaos(options, folder, stage)
    const { violations } = result.told
    say(`\n${describeRun(result)}\n`)
    for (const { kind, detail } of violations.slice(0, violationsShown)) say(`VIOLATION ${kind}: ${detail}`)
    if (violations.length > 0) {
      say(`${violations.length} violations; logs in ${folder}; again with --seed ${options.seed}`)
      return 1
    }
    rmSync(folder, { recursive: true, force: true })
    return 0
  } catch (error) {
    say(`The run broke: ${error instanceof Error ? error.stack : String(error)}; logs in ${folder}`)
    return 1
  } finally {
    await stage.close()
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
