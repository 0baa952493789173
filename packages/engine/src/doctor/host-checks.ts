import { access, constants } from "node:fs/promises"
import * as z from "zod"
import { type Finding, fail, ok, warn } from "./finding.ts"

/** Descriptors that a node needs beside its sockets: files, the pool, Redis, the model's connections. */
const reservedFiles = 500
const wishedSockets = 10_000

/** Whether each worker has a core; nothing where there are no workers. */
export function workersFindings(workers: number | null, cores: number): Finding[] {
  if (workers === null) return []
  const name = "workers"
  const sentence = `${workers} on ${cores === 1 ? "one core" : `${cores} cores`}.`
  if (workers <= cores) return [ok(name, sentence)]
  return [warn(name, sentence, "more workers than cores only use memory and connections: lower --workers")]
}

/** How many sockets the limit of open files leaves room for. */
export function openFilesFinding(softLimit: number): Finding {
  const name = "open files"
  if (softLimit === Number.POSITIVE_INFINITY) return ok(name, "There is no limit.")
  const sockets = Math.max(0, softLimit - reservedFiles)
  const sentence = `The limit is ${softLimit}, which leaves room for about ${sockets} connections.`
  if (sockets >= wishedSockets) return ok(name, sentence)
  const remedy = `raise it (ulimit -n ${wishedSockets + reservedFiles}, LimitNOFILE= or --ulimit nofile=) if more are to come`
  return warn(name, sentence, remedy)
}

const report = z.object({ userLimits: z.object({ open_files: z.object({ soft: z.number() }) }) })

/** The soft limit of open files of this process; infinite where there is none or none is known. */
export function openFilesLimit(): number {
  const limits = report.safeParse(process.report.getReport())
  return limits.success ? limits.data.userLimits.open_files.soft : Number.POSITIVE_INFINITY
}

/** Whether embedded PostgreSQL could keep its data under this folder. It is not opened: an engine may be running on it. */
export async function embeddedDatabaseFindings(folder: string): Promise<Finding[]> {
  try {
    await access(folder, constants.W_OK)
  } catch {
    return [fail("database", "The working folder cannot be written.", "start in another folder, or set DATABASE_URL")]
  }
  const sentence = "Embedded PostgreSQL keeps its data under .grizz/, for one node."
  return [warn("database", sentence, "set DATABASE_URL to a PostgreSQL server for production")]
}
