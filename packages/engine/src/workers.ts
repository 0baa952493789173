import cluster, { type Worker } from "node:cluster"
import type { Logger } from "./core/logger.ts"
import { drainRequest } from "./worker.ts"

export interface WorkersOptions {
  count: number
  /** How long a worker may drain; what takes much longer is killed. */
  drainTimeoutMs: number
  logger: Logger
}

/** Until a worker that ended is followed by the next; doubled each time that one did not serve for `steadyMs`. */
const restartMinMs = 100
const restartMaxMs = 10_000
const steadyMs = 60_000
/** What a drain takes beside the replies. */
const drainMarginMs = 10_000

/** How a worker ended: an exit code or a signal, the other one being null. */
interface End {
  code: number | null
  signal: string | null
}

/** The first worker exited before it served, and has said why. */
export class FirstWorkerError extends Error {}

/** Engine processes behind one port: the primary accepts each connection and gives them to the workers in turn. */
export class Workers {
  readonly #options: WorkersOptions
  readonly #running = new Map<Worker, Promise<End>>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  #isStopping = false
  /** A worker had to be killed, or failed to drain. */
  #hasFailed = false

  constructor(options: WorkersOptions) {
    this.#options = options
    cluster.schedulingPolicy = cluster.SCHED_RR
  }

  /** Resolves when all serve. @throws FirstWorkerError */
  async start(): Promise<void> {
    const { count, logger } = this.#options
    // Alone: what keeps it from starting would keep all of them, and is to be said once.
    const end = await this.#begin(0)
    if (this.#isStopping) return
    if (end?.signal != null) throw new Error(`The first worker was ended by ${end.signal} before it served.`)
    if (end !== null) throw new FirstWorkerError()
    await Promise.all(Array.from({ length: count - 1 }, () => this.#begin(0)))
    if (!this.#isStopping) logger.info({ workers: count }, "all workers serve")
  }

  /** Has every worker drain, and waits until all have ended. @throws Error when one did not end as it should */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const restart of this.#restarts) clearTimeout(restart)
    const late = setTimeout(() => {
      this.#options.logger.error({ workers: this.#running.size }, "workers that do not end are killed")
      this.kill()
    }, this.#options.drainTimeoutMs + drainMarginMs)
    for (const worker of this.#running.keys()) if (worker.isConnected()) worker.send(drainRequest)
    await Promise.all(this.#running.values())
    clearTimeout(late)
    if (this.#hasFailed) throw new Error("a worker did not end as it should")
  }

  /** Ends all at once. */
  kill(): void {
    for (const worker of this.#running.keys()) worker.process.kill("SIGKILL")
  }

  /**
   * Starts a worker, and others after it when it ends.
   * @param failures how many before it did not serve for long
   * @returns null once it serves; how it ended, should that come first
   */
  async #begin(failures: number): Promise<End | null> {
    const worker = cluster.fork()
    let servesSinceMs: number | null = null
    const isServing = new Promise<null>((resolve) => {
      worker.once("listening", () => {
        servesSinceMs = performance.now()
        resolve(null)
      })
    })
    const end = new Promise<End>((resolve) => worker.once("exit", (code, signal) => resolve({ code, signal })))
    // A request to drain that crosses the end of the worker.
    worker.on("error", (error) => this.#options.logger.debug({ err: error, worker: worker.id }, "worker not reached"))
    this.#running.set(worker, end)
    const isOver = end.then((how) => {
      this.#running.delete(worker)
      if (this.#isStopping) this.#hasFailed ||= how.code !== 0
      else if (servesSinceMs !== null || worker.id > 1) this.#restart(worker, how, servesSinceMs, failures)
      return how
    })
    return Promise.race([isServing, isOver])
  }

  #restart({ id, process }: Worker, end: End, servesSinceMs: number | null, failures: number): void {
    const isSteady = servesSinceMs !== null && performance.now() - servesSinceMs >= steadyMs
    const delayMs = Math.min(restartMinMs * 2 ** (isSteady ? 0 : failures), restartMaxMs)
    const fields = { worker: id, worker_pid: process.pid, ...end, restart_ms: delayMs }
    this.#options.logger.error(fields, "a worker has ended; another one takes its place")
    const restart = setTimeout(() => {
      this.#restarts.delete(restart)
      void this.#begin(isSteady ? 1 : failures + 1)
    }, delayMs)
    this.#restarts.add(restart)
  }
}
