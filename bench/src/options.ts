import { parseArgs } from "node:util"
import type { BurstPlan } from "./burst.ts"
import type { DatabaseChoice } from "./database.ts"
import type { PacedPlan } from "./paced.ts"

export const usage = `Usage: npm run bench -- [options]

  --quick             fewer rounds: under two minutes
  --json              one JSON object as the last line of stdout
  --scenario NAME     burst, paced or idle; may be repeated (default: all)
  --database KIND     server or embedded (default: server where PostgreSQL's binaries are found)
  --rounds N          rounds of each scenario
  --sockets N         clients of the burst (50)
  --turns N           turns of each of them in a round
  --streams N         replies at once in the paced scenario (200)
  --tokens N          length of a reply (200)
  --idle-sockets N    sockets of the idle scenario (1000)`

export const scenarios = ["burst", "paced", "idle"] as const
export type Scenario = (typeof scenarios)[number]

export interface Plan {
  json: boolean
  scenarios: ReadonlySet<Scenario>
  database: DatabaseChoice | undefined
  burst: BurstPlan
  paced: PacedPlan
  idleSockets: number
}

const databases = ["server", "embedded"] as const satisfies DatabaseChoice[]

/** What was asked for cannot be done; the message is a sentence for whoever asked. */
export class UsageError extends Error {}

/** Null when the usage was asked for. @throws UsageError */
export function readPlan(args: string[]): Plan | null {
  const values = parse(args)
  if (values.help) return null
  const rounds = integer("rounds", values.rounds)
  const tokens = integer("tokens", values.tokens) ?? 200
  return {
    json: values.json,
    scenarios: new Set(values.scenario?.map((name) => choice("scenario", name, scenarios)) ?? scenarios),
    database: values.database === undefined ? undefined : choice("database", values.database, databases),
    burst: {
      sockets: integer("sockets", values.sockets) ?? 50,
      turns: integer("turns", values.turns) ?? (values.quick ? 20 : 40),
      rounds: rounds ?? (values.quick ? 3 : 5),
      tokens,
    },
    paced: {
      streams: integer("streams", values.streams) ?? 200,
      tokensPerSecond: 50,
      rounds: rounds ?? (values.quick ? 2 : 3),
      tokens,
    },
    idleSockets: integer("idle-sockets", values["idle-sockets"]) ?? 1000,
  }
}

function parse(args: string[]) {
  try {
    const number = { type: "string" } as const
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        scenario: { type: "string", multiple: true },
        database: { type: "string" },
        rounds: number,
        sockets: number,
        turns: number,
        streams: number,
        tokens: number,
        "idle-sockets": number,
      },
    }).values
  } catch (error) {
    if (error instanceof Error) throw new UsageError(error.message)
    throw error
  }
}

function integer(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^[1-9]\d{0,4}$/.test(value)) throw new UsageError(`--${name} must be a whole number from 1 to 99999.`)
  return Number(value)
}

function choice<Name extends string>(option: string, value: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === value)
  if (found === undefined) throw new UsageError(`--${option} must be one of ${names.join(", ")}.`)
  return found
}
