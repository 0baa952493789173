import { setTimeout as delay } from "node:timers/promises"
import type { RedisServer } from "../support/redis-server.ts"
import type { ChaosNode } from "./chaos-node.ts"
import type { ChaosPostgres } from "./chaos-postgres.ts"
import type { Random } from "./random.ts"

export interface FaultTargets {
  nodes: readonly ChaosNode[]
  postgres: ChaosPostgres
  /** Null without Redis. */
  redis: RedisServer | null
}

interface Fault {
  name: string
  /** What it is done to; two faults are never done to one target at a time. */
  targets: string[]
  /** Does it, and resolves when what it did is healed. */
  run: () => Promise<void>
}

const underWayMax = 3
const losable = ["accept_message", "end_reply", "renew_leases", "take_over", "hand_over", "request_stop", "retry_reply"]

/** Makes a fault every few seconds, as the seed says. */
export class Faults {
  readonly counts = new Map<string, number>()
  readonly #targets: FaultTargets
  readonly #random: Random
  readonly #longestMs: number
  readonly #log: (line: string) => void
  readonly #busy = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()

  /** @param longestMs how long a fault lasts at most */
  constructor(targets: FaultTargets, random: Random, longestMs: number, log: (line: string) => void) {
    this.#targets = targets
    this.#longestMs = longestMs
    this.#random = random
    this.#log = log
  }

  /** Until the signal; resolves when everything is healed. */
  async make(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#random.between(1000, 5000), undefined, { signal }).catch(() => undefined)
      if (signal.aborted || this.#underWay.size >= underWayMax) continue
      const fault = this.#random.pick(this.#choices())
      if (!fault.targets.some((target) => this.#busy.has(target))) this.#start(fault)
    }
    await Promise.all(this.#underWay)
  }

  #start(fault: Fault): void {
    for (const target of fault.targets) this.#busy.add(target)
    this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1)
    this.#log(`${fault.name}: ${fault.targets.join(", ")}`)
    const done = fault.run().finally(() => {
      for (const target of fault.targets) this.#busy.delete(target)
      this.#underWay.delete(done)
      this.#log(`healed ${fault.name}: ${fault.targets.join(", ")}`)
    })
    this.#underWay.add(done)
  }

  /** For so many ms, or as long as a fault may last at most. */
  async #wait(minMs: number, maxMs: number): Promise<void> {
    await delay(Math.min(this.#random.between(minMs, maxMs), this.#longestMs))
  }

  #choices(): Fault[] {
    const { nodes, redis } = this.#targets
    return [
      ...nodes.flatMap((node) => this.#nodeFaults(node)),
      ...this.#databaseFaults(),
      ...(redis === null ? [] : this.#redisFaults(redis)),
    ]
  }

  #nodeFaults(node: ChaosNode): Fault[] {
    const random = this.#random
    const link = `${node.name}'s way to PostgreSQL`
    const kill: Fault = {
      name: "node killed (SIGKILL)",
      targets: [node.name],
      run: async () => {
        await node.stop("SIGKILL")
        await this.#wait(0, 8000)
        await node.start()
      },
    }
    const deploy: Fault = {
      name: "node deployed (SIGTERM or SIGINT)",
      targets: [node.name],
      run: async () => {
        await node.stop(random.pick(["SIGTERM", "SIGINT"]))
        await node.start()
      },
    }
    const freeze: Fault = {
      name: "node frozen (SIGSTOP)",
      targets: [node.name],
      run: async () => {
        node.freeze()
        await this.#wait(2000, 25_000)
        node.thaw()
      },
    }
    const refuse: Fault = {
      name: "PostgreSQL cut off from a node",
      targets: [link],
      run: async () => {
        node.link.refuse()
        await this.#wait(0, 20_000)
        node.link.accept()
      },
    }
    const lose: Fault = {
      name: "answer lost after the commit",
      targets: [link],
      run: async () => {
        const lost = node.link.loseAnswerTo(`grizz_${random.pick(losable)}`)
        await Promise.race([lost, delay(5000)])
      },
    }
    return [kill, deploy, freeze, refuse, lose, lose]
  }

  #databaseFaults(): Fault[] {
    const random = this.#random
    const { nodes, postgres } = this.#targets
    return [
      {
        name: "PostgreSQL restarted (immediate)",
        targets: ["PostgreSQL"],
        run: () => postgres.restart(Math.min(random.between(0, 3000), this.#longestMs)),
      },
      {
        name: "PostgreSQL frozen",
        targets: ["PostgreSQL"],
        run: async () => {
          const thaw = await postgres.freeze()
          await this.#wait(1000, 10_000).finally(thaw)
        },
      },
      {
        name: "PostgreSQL cut off from all nodes",
        targets: nodes.map((node) => `${node.name}'s way to PostgreSQL`),
        run: async () => {
          for (const node of nodes) node.link.refuse()
          await this.#wait(500, 10_000)
          for (const node of nodes) node.link.accept()
        },
      },
    ]
  }

  #redisFaults(redis: RedisServer): Fault[] {
    const fault = (name: string, run: () => Promise<void>): Fault => ({
      name: `Redis ${name}`,
      targets: ["Redis"],
      run,
    })
    return [
      fault("killed and restarted empty", async () => {
        await redis.kill()
        await this.#wait(0, 8000)
        await redis.restart()
      }),
      fault("flushed", () => redis.flush()),
      fault("frozen", async () => {
        redis.freeze()
        await this.#wait(1000, 10_000)
        redis.thaw()
      }),
      fault("full", async () => {
        await redis.fill(true)
        await this.#wait(1000, 8000)
        await redis.fill(false)
      }),
    ]
  }
}
