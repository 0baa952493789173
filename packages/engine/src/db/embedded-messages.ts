import type { Parameter } from "./database.ts"

/** What the embedded database's worker is started with. */
export interface WorkerOptions {
  /** Null: in memory, gone with the worker. */
  directory: string | null
  vacuumAfterStatements: number
  vacuumAfterIdleMs: number
}

/** To the worker, which answers in order. */
export type WorkerRequest =
  | { id: number; kind: "query"; text: string; parameters: Parameter[] }
  | { id: number; kind: "script"; text: string }
  | { id: number; kind: "close" }

/** From the worker. `id` 0 says that it is ready, or why not. */
export type WorkerAnswer = { id: number; rows: object[] } | { id: number; error: { message: string; code?: string } }
