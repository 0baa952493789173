import { Worker } from "node:worker_threads"
import { ChatError } from "../core/errors.ts"
import type { Database, Parameter, Session, Statement } from "./database.ts"
import { translateDatabaseError } from "./database-error.ts"
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts"
import type { WorkerAnswer, WorkerOptions, WorkerRequest } from "./embedded-messages.ts"

export interface EmbeddedOptions {
  /** Folder of the database, made where it is missing; null keeps it in memory, for tests. */
  directory: string | null
  /** VACUUM runs after so many statements, once there was none for `vacuumAfterIdleMs`. */
  vacuumAfterStatements?: number
  vacuumAfterIdleMs?: number
}

interface Pending {
  resolve: (rows: object[]) => void
  reject: (error: unknown) => void
}

type RequestBody = WorkerRequest extends infer R ? (R extends { id: number } ? Omit<R, "id"> : never) : never

/**
 * Starts the embedded PostgreSQL on a folder of its own.
 * @throws Error with one sentence: the folder is in use (by which process), or cannot be written
 */
export async function openEmbeddedDatabase(options: EmbeddedOptions): Promise<Database> {
  const lock = options.directory === null ? null : lockDirectory(options.directory)
  try {
    return await EmbeddedDatabase.start(options, lock)
  } catch (error) {
    lock?.release()
    throw error
  }
}

/** PGlite in a worker thread, which has one connection: statements run one after another. */
class EmbeddedDatabase implements Database {
  readonly #worker: Worker
  readonly #lock: DirectoryLock | null
  readonly #pending = new Map<number, Pending>()
  readonly #exited: Promise<void>
  #lastId = 0
  #hasExited = false
  /** Settled when nobody holds the connection for a session. */
  #sessions: Promise<void> = Promise.resolve()
  #openSessions = 0
  #closed: Promise<void> | undefined

  static async start(options: EmbeddedOptions, lock: DirectoryLock | null): Promise<EmbeddedDatabase> {
    const { directory, vacuumAfterStatements = 1_000, vacuumAfterIdleMs = 5_000 } = options
    const database = new EmbeddedDatabase({ directory, vacuumAfterStatements, vacuumAfterIdleMs }, lock)
    await database.#isReady()
    return database
  }

  private constructor(workerData: WorkerOptions, lock: DirectoryLock | null) {
    this.#lock = lock
    // The published package holds JavaScript under the same name.
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
    this.#worker = new Worker(new URL(`./embedded-worker.${extension}`, import.meta.url), { workerData })
    this.#worker.on("message", (message: WorkerAnswer) => this.#settle(message))
    this.#worker.on("error", (error) => this.#failAll(error))
    this.#exited = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#hasExited = true
        this.#failAll(new Error("The embedded database's thread ended."))
        resolve()
      })
    })
  }

  async query<Row extends object>(statement: Statement, parameters: Parameter[] = []): Promise<Row[]> {
    // Without a session the order of posting is the order of running, and nothing has to be awaited.
    while (this.#openSessions > 0) await this.#sessions
    return this.#query<Row>(statement, parameters)
  }

  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const before = this.#sessions
    const gate = Promise.withResolvers<void>()
    this.#sessions = gate.promise
    this.#openSessions += 1
    try {
      await before
      return await work({
        query: (statement, parameters = []) => this.#query(statement, parameters),
        script: (sql) => this.#script(sql),
      })
    } finally {
      await this.#reset().finally(() => {
        this.#openSessions -= 1
        gate.resolve()
      })
    }
  }

  async ping(): Promise<void> {
    await this.query({ name: "grizz_ping", text: "select 1" })
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#sessions
    try {
      if (!this.#hasExited) await this.#post({ kind: "close" })
    } finally {
      this.#worker.ref()
      await this.#exited
      this.#lock?.release()
    }
  }

  #isReady(): Promise<object[]> {
    return new Promise((resolve, reject) => this.#pending.set(0, { resolve, reject }))
  }

  #query<Row extends object>({ text }: Statement, parameters: Parameter[]): Promise<Row[]> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- who writes a statement knows its rows
    return this.#post({ kind: "query", text, parameters }) as Promise<Row[]>
  }

  async #script(text: string): Promise<void> {
    await this.#post({ kind: "script", text })
  }

  /** What a server does by closing the session's connection. */
  async #reset(): Promise<void> {
    await this.#script("rollback")
    await this.#script("discard all")
  }

  async #post(request: RequestBody): Promise<object[]> {
    if (this.#hasExited) throw new ChatError("unavailable", "The embedded database is not running.")
    this.#lastId += 1
    const id = this.#lastId
    // The thread keeps the process alive for as long as somebody waits for it, and no longer.
    this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ ...request, id }, [])
    })
  }

  #settle(message: WorkerAnswer): void {
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if ("rows" in message) pending?.resolve(message.rows)
    else pending?.reject(translateDatabaseError(Object.assign(new Error(message.error.message), message.error)))
  }

  #failAll(cause: unknown): void {
    for (const { reject } of this.#pending.values()) {
      reject(new ChatError("unavailable", "The embedded database stopped.", { cause }))
    }
    this.#pending.clear()
  }
}
