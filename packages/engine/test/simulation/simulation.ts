import { setImmediate as settled } from "node:timers/promises"
import { vi } from "vitest"
import { MemoryReplyStore } from "../support/memory-reply-store.ts"
import { commands } from "./commands.ts"
import { Ledger } from "./ledger.ts"
import type { RunningCall } from "./scripted-agent.ts"
import { SimulatedProcess } from "./simulated-process.ts"
import { SimulatedReader } from "./simulated-reader.ts"
import { SimulatedSender } from "./simulated-sender.ts"
import { World } from "./world.ts"

const leaseMs = 15_000
/** Steps in which everything must come to its end, once nothing fails any more. */
const healingSteps = 3000
/** A look after three seconds of silence, one more a second later, and a begin that waited for it. */
const secondsToKnow = 6

/** One run: nodes, clients, a database and a model, whose every move one seed decides. */
export class Simulation {
  readonly world: World
  readonly store: MemoryReplyStore
  readonly ledger: Ledger
  readonly sender: SimulatedSender
  readonly readers: SimulatedReader[] = []
  readonly conversationIds: string[]
  readonly running = new Set<RunningCall>()
  /** One slot a node, with the process it had last. */
  readonly nodes: SimulatedProcess[]
  /** What was done, for whoever looks into a failure. */
  readonly trace: string[] = []
  readonly #maxCalls: number
  readonly #concurrentSends: "enqueue" | "interrupt" | "reject"
  readonly #weights: number[]
  #processes = 0

  constructor(seed: number) {
    const world = new World(seed)
    const { random } = world
    this.world = world
    this.#maxCalls = random.between(1, 3)
    this.#concurrentSends = random.pick(["enqueue", "enqueue", "interrupt", "reject"] as const)!
    world.faultRate = random.pick([0, 0.03, 0.15, 0.3])!
    world.isCalm = world.faultRate === 0 && random.chance(0.3)
    this.store = new MemoryReplyStore({ now: () => world.timeMs, leaseMs })
    this.ledger = new Ledger(world, this.store, { leaseMs, maxCalls: this.#maxCalls })
    this.ledger.onChange = (conversationId, owner) => this.#moveReaders(conversationId, owner)
    const userId = world.newId()
    this.sender = new SimulatedSender(this.ledger, userId)
    this.conversationIds = Array.from({ length: random.between(1, 2) }, () => world.newId())
    for (const id of this.conversationIds) {
      this.store.create(userId, id)
      const count = random.between(1, 3)
      for (let index = 0; index < count; index += 1)
        this.readers.push(new SimulatedReader(this.ledger, userId, id, `reader ${index} of ${id}`))
    }
    this.nodes = Array.from({ length: random.between(1, 3) }, () => this.start())
    // Each run has its own habits: some never crash, some hardly beat.
    this.#weights = commands.map(({ weight, isRough }) =>
      isRough && world.isCalm ? 0 : weight * random.pick([0.3, 1, 1, 3])!,
    )
  }

  get processes(): SimulatedProcess[] {
    return this.nodes.filter((node) => node.life.state !== "dead")
  }

  start(): SimulatedProcess {
    this.#processes += 1
    return new SimulatedProcess({
      ledger: this.ledger,
      owner: `process ${this.#processes}`,
      isClockSound: this.world.random.chance(0.8),
      leaseMs,
      maxCalls: this.#maxCalls,
      concurrentSends: this.#concurrentSends,
      running: this.running,
    })
  }

  /** The process is gone, and its connections and model calls with it. */
  crash(process: SimulatedProcess): void {
    process.life.state = "dead"
    this.#bury()
  }

  passTime(ms: number): void {
    this.world.timeMs += ms
    for (const { life } of this.processes) life.passTime(ms)
    vi.advanceTimersByTime(ms)
  }

  /** Does that many things, then heals all, and gives what went wrong. */
  async run(steps: number): Promise<{ steps: number; violations: string[] }> {
    let done = 0
    while (done < steps && this.world.violations.length === 0) {
      if (!this.#step()) continue
      await settled()
      this.#bury()
      done += 1
    }
    if (this.world.violations.length === 0) done += await this.#heal()
    return { steps: done, violations: this.world.violations }
  }

  #bury(): void {
    for (const call of this.running) if (call.life.state === "dead") this.running.delete(call)
    for (const reader of this.readers) if (reader.process?.life.state === "dead") reader.drop()
  }

  #step(): boolean {
    const total = this.#weights.reduce((sum, weight) => sum + weight, 0)
    let left = this.world.random.next() * total
    const chosen = commands.find((_, index) => (left -= this.#weights[index]!) < 0) ?? commands[0]!
    const isDone = chosen.run(this)
    if (isDone) this.trace.push(chosen.name)
    return isDone
  }

  /** Nothing fails any more, every send is repeated, every model call finishes, and every reader reads on. */
  async #heal(): Promise<number> {
    const { world } = this
    world.faultRate = 0
    for (const { life } of this.processes) Object.assign(life, { isCutOff: false, state: "up" })
    let steps = 0
    while (steps < healingSteps && !this.#isHealed() && world.violations.length === 0) {
      this.#healingStep()
      await settled()
      this.#bury()
      steps += 1
    }
    world.check(this.#isHealed(), () => "it did not come to an end")
    if (world.violations.length === 0) await this.#settle()
    return steps
  }

  #healingStep(): void {
    const { world } = this
    this.#startDead()
    if (world.letOneHappen()) return
    for (const call of this.running) if (call.life.isUp) return call.finish()
    const sender = world.random.pick(this.processes)!
    for (const outgoing of this.sender.unacknowledged) this.sender.send(sender, outgoing)
    for (const process of this.processes) if (process.canBeat) void process.beat()
    this.passTime(1000)
  }

  #startDead(): void {
    this.nodes.forEach((node, index) => {
      if (node.life.state === "dead") this.nodes[index] = this.start()
    })
  }

  #isHealed(): boolean {
    const isEnded = this.store.replies.every(({ status }) => status !== "running" && status !== "queued")
    return isEnded && this.world.isQuiet && this.sender.unacknowledged.length === 0 && this.running.size === 0
  }

  async #settle(): Promise<void> {
    this.#startDead()
    await this.#settleConnected()
    for (const reader of this.readers) {
      reader.drop()
      reader.connect(this.world.random.pick(this.processes)!, Number.POSITIVE_INFINITY, true)
    }
    await this.#letAllHappen()
    for (const reader of this.readers) {
      reader.read(Number.POSITIVE_INFINITY)
      reader.settle()
      reader.drop()
    }
    await this.#letAllHappen()
    this.ledger.settle()
    for (const { left } of this.processes) for (const what of left) this.world.violate(`left in memory: ${what}`)
    this.world.check(vi.getTimerCount() === 0, () => "a timer is left")
  }

  /** Whoever is connected, and reads, knows everything after a few seconds, without coming back. */
  async #settleConnected(): Promise<void> {
    for (let second = 0; second < secondsToKnow; second += 1) {
      this.passTime(1000)
      for (const process of this.processes) process.look()
      await this.#letAllHappen()
      while (this.readers.some(({ hasUnread }) => hasUnread)) {
        for (const reader of this.readers) reader.read(Number.POSITIVE_INFINITY)
        await this.#letAllHappen()
      }
    }
    for (const reader of this.readers) if (reader.process !== null) reader.settle()
  }

  async #letAllHappen(): Promise<void> {
    while (this.world.letOneHappen()) await settled()
  }

  /** Without other nodes a log knows what its own process announces: readers are where their conversation goes on. */
  #moveReaders(conversationId: string, owner: string): void {
    for (const reader of this.readers) {
      if (reader.conversationId === conversationId && reader.process?.life.owner !== owner) reader.drop()
    }
  }
}
