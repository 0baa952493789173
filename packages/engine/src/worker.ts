import cluster from "node:cluster"
import type { Logger } from "./core/logger.ts"
import { exitAfter } from "./shutdown.ts"

/** What the primary sends to have a worker drain. */
export const drainRequest = "grizz: drain"

/** The number of this worker, which no other one of the same primary ever has; null in a process without a primary. */
export function workerNumber(): number | null {
  return cluster.worker?.id ?? null
}

/**
 * The life of a worker, which ends with a drain: when the primary asks for it, when the primary is gone, or on a SIGTERM
 * of its own, after which the primary starts another one. All of these at once are one. SIGINT is the primary's alone,
 * since a terminal sends it to every process.
 */
export class WorkerLife {
  readonly #logger: Logger
  #stop: (() => Promise<void>) | null = null
  #isEnding = false

  constructor(logger: Logger) {
    this.#logger = logger
    const worker = cluster.worker!
    process.on("SIGINT", () => undefined)
    process.on("SIGTERM", () => this.#end("SIGTERM"))
    process.on("message", (message) => {
      if (message === drainRequest) this.#end("the primary is stopping")
    })
    worker.once("disconnect", () => {
      // Otherwise Node.js ends a worker at once whose primary is gone.
      worker.exitedAfterDisconnect = true
      this.#end("the primary is gone")
    })
  }

  /** From now on there is something to drain; before, there is only something to end. */
  stopWith(stop: () => Promise<void>): void {
    this.#stop = stop
  }

  #end(reason: string): void {
    if (this.#isEnding) return
    this.#isEnding = true
    if (this.#stop === null) process.exit(0)
    this.#logger.info({ reason }, "shutting down")
    exitAfter(this.#logger, this.#stop)
  }
}
