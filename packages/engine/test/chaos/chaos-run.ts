import { appendFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { ChatUser } from "./chat-user.ts"
import type { Footprint } from "./chaos-node.ts"
import { Faults } from "./faults.ts"
import { checkLedger, type LedgerInput, type Stored } from "./ledger.ts"
import type { ChaosOptions } from "./options.ts"
import { hasMaterial, type Plant, plants, plantViolation } from "./plant.ts"
import { checkPlain } from "./plain-device.ts"
import { Random } from "./random.ts"
import type { Stage } from "./stage.ts"
import { Told } from "./told.ts"
import { Witness } from "./witness.ts"

export interface ChaosResult {
  options: ChaosOptions
  hasRedis: boolean
  told: Told
  stored: Stored
  faults: Map<string, number>
  model: { all: number; paid: number; behaviours: Map<string, number> }
  memory: { name: string; baseline: Footprint; end: Footprint }[]
  /** How long it took, once the faults were over, until every reply had ended and every device had seen it. */
  healedMs: number
  failedStarts: number
  /** Lines of the nodes' logs at level error or above, by message. */
  errorLines: Map<string, number>
  /** Planted violations that the ledger noticed: all for which there was something to plant them into. */
  noticed: Plant[]
}

const healMaxMs = 60_000
/** How long the load goes on without faults, where there is too little yet to test the ledger with. */
const materialMaxMs = 60_000
const callsMax = 2
/** Beyond this part of the baseline, memory is a violation. */
const memoryMax = 1.25

/** Loads and breaks two nodes, lets them heal, and compares what clients were told with what is stored. */
export async function runChaos(options: ChaosOptions, folder: string, stage: Stage): Promise<ChaosResult> {
  const told = new Told()
  const log = (line: string) => appendFileSync(join(folder, "chaos.log"), `${new Date().toISOString()} ${line}\n`)
  await stage.open(options, folder)
  const witness = new Witness(stage.postgres.url, told)
  told.onStored = (id) => void witness.look(id)
  const users = await stage.users(options, told)
  const durationMs = options.minutes * 60_000
  await loadFor(users, Math.min(20_000, durationMs / 6), () => Promise.resolve())
  await settle(users, stage)
  const baseline = await footprints(users, stage)
  const faults = new Faults(stage, Random.of(options.seed, "faults"), durationMs / 4, log)
  await loadFor(users, durationMs, (signal) => faults.make(signal))
  log("the faults are over")
  stage.model.isCalm = true
  await loadUntil(users, () => hasMaterial(told), materialMaxMs)
  const healedMs = await settle(users, stage)
  log(`healed after ${healedMs} ms`)
  told.onStored = () => undefined
  await witness.close()
  const stored = await stage.postgres.read()
  if (healedMs >= healMaxMs) told.violate("stuck", `not everything was told ${healMaxMs} ms after the last fault`)
  const devices = users.flatMap((user) => user.devices)
  const input = { told, stored, model: stage.model, devices, callsMax }
  const noticed = plantsNoticed(input)
  if (options.plant !== null && !plantViolation(options.plant, told, stored))
    throw new Error("There is nothing to plant a violation into.")
  checkLedger(input)
  for (const user of users) {
    for (const transcript of user.plain?.transcripts ?? []) checkPlain(told, stored, stage.model, transcript)
  }
  const end = await footprints(users, stage)
  const memory = stage.nodes.map(({ name }, index) => ({ name, baseline: baseline[index]!, end: end[index]! }))
  checkMemory(told, memory)
  const errorLines = checkLogs(told, stage)
  for (const { kind, detail } of told.violations) log(`VIOLATION ${kind}: ${detail}`)
  return {
    options,
    hasRedis: stage.redis !== null,
    told,
    stored,
    faults: faults.counts,
    model: { all: stage.model.all, paid: stage.model.paid, behaviours: stage.model.counts },
    memory,
    healedMs,
    failedStarts: stage.nodes.reduce((sum, node) => sum + node.failedStarts, 0),
    errorLines,
    noticed,
  }
}

/** The violations that the ledger finds when they are planted, each into its own copy: a ledger that finds nothing proves nothing. */
function plantsNoticed(input: LedgerInput): Plant[] {
  const planted = plants.filter((plant) => plantViolation(plant, input.told, structuredClone(input.stored)))
  const found = countsOf(input, null)
  const noticed = planted.filter((plant) => countsOf(input, plant)(plant) > found(plant))
  if (noticed.length < planted.length)
    throw new Error(`Of the planted violations ${planted.join(", ")} the ledger noticed only ${noticed.join(", ")}.`)
  return noticed
}

/** How many violations of a kind the ledger finds in a copy, into which one may be planted. */
function countsOf(input: LedgerInput, plant: Plant | null): (kind: Plant) => number {
  const told = input.told.withoutViolations()
  const stored = structuredClone(input.stored)
  if (plant !== null) plantViolation(plant, told, stored)
  checkLedger({ ...input, told, stored })
  return (kind) => told.violations.filter((violation) => violation.kind === kind).length
}

/** @param meanwhile what is to be over as well; it hears of the end by its signal */
async function loadFor(
  users: readonly ChatUser[],
  ms: number,
  meanwhile: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const loadOver = new AbortController()
  const living = Promise.all(users.map((user) => user.live(loadOver.signal)))
  // Nobody leaves before the last fault is healed.
  const faulty = meanwhile(AbortSignal.timeout(ms))
  await Promise.all([delay(ms), faulty])
  loadOver.abort()
  await living
}

/** Goes on without faults until it is enough, or the time is up. */
async function loadUntil(users: readonly ChatUser[], isEnough: () => boolean, maxMs: number): Promise<void> {
  const timeIsUp = AbortSignal.timeout(maxMs)
  await loadFor(users, 0, async () => {
    while (!isEnough() && !timeIsUp.aborted) await delay(200)
  })
}

/** Waits until everything is acknowledged, has ended and was seen by every device; gives up after a minute. */
async function settle(users: readonly ChatUser[], stage: Stage): Promise<number> {
  const startedAtMs = performance.now()
  const elapsedMs = () => performance.now() - startedAtMs
  const devices = users.flatMap((user) => user.devices)
  while (elapsedMs() < healMaxMs) {
    for (const user of users) user.settle()
    await delay(500)
    if (users.some((user) => user.unacknowledged > 0) || (await stage.postgres.unendedReplies()) > 0) continue
    const newest = await stage.postgres.newestPositions()
    const hasSeenAll = devices.every(
      ({ isReady, view, conversationId }) =>
        isReady && view.running === null && Math.max(-1, ...view.entries.keys()) === (newest.get(conversationId) ?? -1),
    )
    if (hasSeenAll) return Math.round(elapsedMs())
  }
  return healMaxMs
}

/** What the nodes hold when everybody is gone. */
async function footprints(users: readonly ChatUser[], stage: Stage): Promise<Footprint[]> {
  for (const user of users) user.leave()
  await delay(3000)
  return Promise.all(stage.nodes.map((node) => node.footprint()))
}

function checkMemory(told: Told, memory: ChaosResult["memory"]): void {
  const baseline = Math.max(...memory.map((node) => node.baseline.heap))
  const descriptors = Math.max(...memory.map((node) => node.baseline.descriptors))
  for (const { name, end } of memory) {
    if (end.heap > baseline * memoryMax) told.violate("memory", `${name} holds ${end.heap} bytes, ${baseline} before`)
    if (end.descriptors > descriptors * memoryMax) {
      told.violate("memory", `${name} holds ${end.descriptors} descriptors, ${descriptors} before`)
    }
  }
}

function checkLogs(told: Told, stage: Stage): Map<string, number> {
  const errors = new Map<string, number>()
  for (const { name, logFile } of stage.nodes) {
    for (const line of readFileSync(logFile, "utf8").split("\n")) {
      const secret = stage.secrets.find((one) => (typeof one === "string" ? line.includes(one) : one.test(line)))
      if (secret !== undefined) told.violate("secret", `${name}: ${line.slice(0, 200)}`)
      if (!/"level":"(?:error|fatal)"/.test(line)) continue
      const message = /"msg":"([^"]*)"/.exec(line)?.[1] ?? "without words"
      errors.set(message, (errors.get(message) ?? 0) + 1)
    }
  }
  return errors
}
