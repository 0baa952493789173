import { parseArgs } from "node:util"
import type { Scenario, Sizes } from "./bench.ts"
import type { DatabaseChoice } from "./machine/database.ts"
import { scenarios } from "./scenarios/all.ts"

const scenarioLines = scenarios
  .map(({ name, description, isQuick }) => `  ${`${name}${isQuick === true ? " *" : ""}`.padEnd(12)}${description}`)
  .join("\n")

export const usage = `Usage: npm run bench -- [options]

  --quick           only the scenarios marked *, in fewer rounds, without the naive server: under two minutes
  --only NAME       one scenario; may be repeated
  --json            one JSON object {machine, commit, figures, ratios} as the last line of stdout
  --compare FILE    prints old, new and change against what --json printed into FILE
  --chart FILE      writes the main ratios as an SVG chart
  --from FILE       measures nothing: tables, comparison and chart of what --json printed into FILE
  --database KIND   server or embedded (default: server where PostgreSQL's binaries are found)
  --rounds N        rounds of each scenario, 1 to 99 (5; quick: 3)
  --tokens N        length of a reply, 1 to 9999 (200)
  --scale F         share of the sockets, turns and messages, 0.001 to 1 (1): for trial runs, whose figures say nothing
  --help            this

Scenarios:
${scenarioLines}`

export interface Options {
  sizes: Sizes
  scenarios: readonly Scenario[]
  /** They were asked for by name: one that cannot run here is an error. */
  isChosen: boolean
  database: DatabaseChoice | undefined
  json: boolean
  compare: string | undefined
  chart: string | undefined
  from: string | undefined
}

const databases = ["server", "embedded"] as const satisfies DatabaseChoice[]

/** What was asked for cannot be done; the message is a sentence for whoever asked. */
export class UsageError extends Error {}

/** Null when the usage was asked for. @throws UsageError */
export function readOptions(args: string[]): Options | null {
  const values = parse(args)
  if (values.help) return null
  const { quick: isQuick, only, compare, chart, from } = values
  const rounds = number("rounds", values.rounds, { whole: true, min: 1, max: 99 }) ?? (isQuick ? 3 : 5)
  const tokens = number("tokens", values.tokens, { whole: true, min: 1, max: 9999 }) ?? 200
  const scale = number("scale", values.scale, { whole: false, min: 0.001, max: 1 }) ?? 1
  const named = only?.map((name) =>
    choice(
      "only",
      name,
      scenarios.map((scenario) => scenario.name),
    ),
  )
  return {
    sizes: { isQuick, rounds, tokens, scaled: (count) => Math.max(1, Math.round(count * scale)) },
    scenarios: scenarios.filter(
      ({ name, isQuick: inQuick }) => named?.includes(name) ?? (!isQuick || inQuick === true),
    ),
    isChosen: named !== undefined,
    database: values.database === undefined ? undefined : choice("database", values.database, databases),
    json: values.json,
    compare,
    chart,
    from,
  }
}

function parse(args: string[]) {
  try {
    const text = { type: "string" } as const
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        only: { type: "string", multiple: true },
        compare: text,
        chart: text,
        from: text,
        database: text,
        rounds: text,
        tokens: text,
        scale: text,
      },
    }).values
  } catch (error) {
    if (error instanceof Error) throw new UsageError(error.message)
    throw error
  }
}

interface Range {
  whole: boolean
  min: number
  max: number
}

function number(name: string, value: string | undefined, { whole, min, max }: Range): number | undefined {
  if (value === undefined) return undefined
  const read = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  const isInRange = read >= min && read <= max && (!whole || Number.isInteger(read))
  if (!isInRange) throw new UsageError(`--${name} must be a ${whole ? "whole " : ""}number from ${min} to ${max}.`)
  return read
}

function choice<Name extends string>(option: string, value: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === value)
  if (found === undefined) throw new UsageError(`--${option} must be one of ${names.join(", ")}.`)
  return found
}
