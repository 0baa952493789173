import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { readLocomo } from "./locomo.ts"
import { evaluate, type Report } from "./report.ts"

const usual = "../shared/data/locomo/locomo-dev.json"

/** Tuned on these: what is found in them says less than what is found in the others. */
const tunedOn = new Set(["conv-26", "conv-30"])

async function main(): Promise<number> {
  const { values: flags } = parseArgs({
    options: {
      data: { type: "string" },
      scale: { type: "boolean", default: true },
      json: { type: "boolean", default: false },
    },
    allowNegative: true,
  })
  const path = flags.data ?? fileURLToPath(new URL(`../../../../${usual}`, import.meta.url))
  if (!existsSync(path)) {
    process.stderr.write(`eval:memory did not run: there is no ${flags.data ?? usual} (--data FILE)\n`)
    return 1
  }
  const samples = await readLocomo(path).catch((error: Error) => {
    process.stderr.write(`eval:memory did not run: ${error.message}\n`)
  })
  if (samples === undefined) return 1
  const { report, parts } = await evaluate(samples, { tunedOn, withScale: flags.scale })
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : asText(report, parts))
  return 0
}

function asText(report: Report, parts: Record<string, Report["recall"]>): string {
  const columns = (values: object) => Object.values(values).map((value) => String(value).padStart(7))
  const row = (name: string, values: object) => `${name.padEnd(44)}${columns(values).join("")}\n`
  const { latency_ms: latency, within_tokens: within } = report
  return [
    `${report.questions} questions; evidence found among the first 5, 10, 25, 50 messages, in %\n`,
    row("recall, without the adversarial category", report.recall),
    ...Object.entries(parts).map(([name, values]) => row(`  … ${name}`, values)),
    row("recall, all categories", report.all_categories),
    ...Object.entries(report.by_category).map(([name, values]) => row(`  … category ${name}`, values)),
    ...Object.entries(report.baselines).map(([name, values]) => row(name, values)),
    row("within 1,000 and 2,000 tokens", within),
    ...Object.entries(latency).flatMap(([where, sizes]) =>
      Object.entries(sizes).map(([size, times]) => row(`ms at ${size} messages, ${where} (p50, p95)`, times)),
    ),
  ].join("")
}

process.exitCode = await main()
