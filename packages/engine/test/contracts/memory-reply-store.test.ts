import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { databaseKinds, missingServer, type OpenDatabase } from "../support/database-kinds.ts"
import { replyStoreHistories } from "../support/reply-store-commands.ts"
import { ReplyStoreHistory } from "../support/reply-store-history.ts"
import { ReplyStorePair } from "../support/reply-store-pair.ts"

const { STORE_SEED: seed = "20261123", STORE_RUNS: runs = "150" } = process.env

/** What a test of this size must have tried. */
const rare = [
  "accept: accepted, with a job",
  "accept: conflict",
  "accept: in_progress",
  "accept: interrupts",
  "accept: not_found",
  "accept: repeat of what was erased",
  "accept: repeat, with a job",
  "end: refused",
  "end: saved before",
  "end: the next begins",
  "erase: done",
  "erase: with a stop",
  "handOver: done",
  "heartbeat: a loss",
  "heartbeat: a stop",
  "retry: accepted",
  "retry: accepted, again",
  "retry: conflict",
  "retry: not mine",
  "retry: not_found",
  "stop: ended",
  "stop: null",
  "stop: requested",
  "takeOver: another attempt",
  "takeOver: failed",
  "takeOver: nothing",
  "takeOver: stopped",
  "takeOver: the next begins",
]

const server = databaseKinds.find(({ name }) => name.startsWith("server"))!

/** The simulation proves something of the engine only as far as its store does what the engine's does. */
describe.skipIf(missingServer !== null)(`the simulation's reply store, beside that on ${server.name}`, () => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await server.open()
  })
  afterAll(() => opened.close())

  /** Other histories: `STORE_SEED=<seed> STORE_RUNS=<number> vitest run test/contracts/memory-reply-store.test.ts`. */
  test("answers and stores the same, whatever two nodes do to two conversations", async () => {
    const seen = new Set<string>()
    const property = fc.asyncProperty(replyStoreHistories(), async (commands) => {
      const pair = new ReplyStorePair(opened.database)
      const history = new ReplyStoreHistory(pair, seen)
      try {
        await history.begin()
        for (const command of commands) await history.carryOut(command)
        await history.finish()
      } finally {
        await pair.close()
      }
    })
    await fc.assert(property, { numRuns: Number(runs), seed: Number(seed) })
    expect(seen).toEqual(seen.union(new Set(rare)))
  }, 120_000)
})
