import { parentPort, workerData } from "node:worker_threads"
import type { PGlite } from "@electric-sql/pglite"
import type { WorkerAnswer, WorkerOptions, WorkerRequest } from "./embedded-messages.ts"
import { openPgliteInMemory, openSyncedPglite } from "./synced-pglite.ts"

/** The embedded PostgreSQL's thread: it blocks for as long as a statement runs, and the engine's own must not. */

const port = parentPort
if (port === null) throw new Error("embedded-worker.ts runs as a worker thread only.")
const options: WorkerOptions = workerData

const answer = (message: WorkerAnswer) => port.postMessage(message)

async function start(): Promise<PGlite> {
  return options.directory === null ? openPgliteInMemory() : openSyncedPglite(options.directory)
}

async function perform(pglite: PGlite, request: WorkerRequest): Promise<object[]> {
  if (request.kind === "query") return (await pglite.query<object>(request.text, request.parameters)).rows
  if (request.kind === "script") await pglite.exec(request.text)
  else await pglite.close()
  return []
}

function describe(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: String(error) }
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {}
  return { message: error.message, ...code }
}

function isFatal(error: unknown): boolean {
  if (error instanceof WebAssembly.RuntimeError) return true
  return error instanceof Error && "severity" in error && (error.severity === "PANIC" || error.severity === "FATAL")
}

/** Autovacuum has no process to run in here, so idle time is used; a statement that comes meanwhile waits for it. */
class VacuumWhenIdle {
  readonly #pglite: PGlite
  readonly #run: (work: () => Promise<void>) => void
  #statements = 0
  #timer: NodeJS.Timeout | undefined

  constructor(pglite: PGlite, run: (work: () => Promise<void>) => void) {
    this.#pglite = pglite
    this.#run = run
  }

  countStatement(): void {
    this.#statements += 1
    if (this.#statements < options.vacuumAfterStatements) return
    this.#timer ??= setTimeout(() => this.#run(() => this.#vacuum()), options.vacuumAfterIdleMs)
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  async #vacuum(): Promise<void> {
    this.#statements = 0
    this.#timer = undefined
    await this.#pglite.exec("vacuum (analyze)")
  }
}

function serve(pglite: PGlite): void {
  let last = Promise.resolve()
  const enqueue = (work: () => Promise<void>) => {
    last = last.then(work)
  }
  const vacuum = new VacuumWhenIdle(pglite, enqueue)
  port!.on("message", (request: WorkerRequest) => {
    if (request.kind === "close") vacuum.stop()
    else vacuum.countStatement()
    enqueue(async () => {
      try {
        answer({ id: request.id, rows: await perform(pglite, request) })
      } catch (error) {
        // After a PANIC PostgreSQL never answers again: better an absent database than a silent one.
        if (isFatal(error)) process.exit(1)
        answer({ id: request.id, error: describe(error) })
      }
      if (request.kind === "close") port!.close()
    })
  })
  answer({ id: 0, rows: [] })
}

start().then(serve, (error: unknown) => {
  answer({ id: 0, error: describe(error) })
  port.close()
})
