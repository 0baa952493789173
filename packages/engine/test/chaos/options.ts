import { randomInt } from "node:crypto"
import { parseArgs } from "node:util"
import { type Plant, plants } from "./plant.ts"

export interface ChaosOptions {
  minutes: number
  seed: number
  users: number
  /** Null: as soon as `grizz serve` acts on `REDIS_URL`. */
  redis: boolean | null
  /** A violation to plant into the ledger's copy of the database, to see that it is noticed. */
  plant: Plant | null
}

export class UsageError extends Error {}

const usage = `Usage: npm run chaos -- [--minutes N] [--seed S] [--users N] [--redis | --no-redis] [--plant what]

  --minutes   how long faults are made, 0.1 to 1440; 2 by default
  --seed      a whole number from 0 to 4294967295; without it a new one, which is printed
  --users     1 to 200; 12 by default
  --redis     with a Redis server between the nodes; by default as soon as the engine uses one
  --plant     tests the ledger: ${plants.join(", ")}`

/** @throws UsageError */
export function readOptions(args: string[]): ChaosOptions {
  const values = parse(args)
  const { minutes = "2", seed = String(randomInt(2 ** 32)), users = "12", plant = null } = values
  if (plant !== null && !isPlant(plant))
    throw new UsageError(`--plant must be one of ${plants.join(", ")}.\n\n${usage}`)
  return {
    minutes: number("--minutes", minutes, /^\d{1,4}(\.\d{1,3})?$/, 0.1, 1440),
    seed: number("--seed", seed, /^\d{1,10}$/, 0, 2 ** 32 - 1),
    users: number("--users", users, /^\d{1,3}$/, 1, 200),
    redis: values.redis ?? null,
    plant,
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowNegative: true,
      options: {
        minutes: { type: "string" },
        seed: { type: "string" },
        users: { type: "string" },
        redis: { type: "boolean" },
        plant: { type: "string" },
      },
    }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

function number(name: string, value: string, pattern: RegExp, min: number, max: number): number {
  const parsed = Number(value)
  if (pattern.test(value) && parsed >= min && parsed <= max) return parsed
  throw new UsageError(`${name} must be a number from ${min} to ${max}.\n\n${usage}`)
}

const isPlant = (value: string): value is Plant => plants.some((plant) => plant === value)
