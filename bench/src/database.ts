import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { Client } from "pg"
import {
  findPostgresBinaries,
  type PostgresServer,
  startPostgresServer,
} from "../../packages/engine/test/support/postgres-server.ts"
import { treeCpuMicros } from "./process-cost.ts"

/** How often each statement ran, by its name. */
export type StatementCounts = Map<string, number>

/** Where the engine keeps what it is told. */
export interface BenchDatabase {
  /** For people: which one it is. */
  description: string
  /** What the engine is started with: a server's URL, or the folder that the embedded database lives under. */
  place: { url: string } | { folder: string }
  /** CPU time that the database used so far, in µs; null where it is part of the engine's process. */
  cpuMicros(): number | null
  /** The statements that reach it during `work`; null where nobody can tell. */
  countStatements(work: () => Promise<void>): Promise<StatementCounts | null>
}

export type DatabaseChoice = "server" | "embedded"

/**
 * A server of the bench's own, with fsync on; embedded where there are no binaries. `folder` is for its files.
 * @throws Error when a server is wanted and there are no binaries
 */
export async function startDatabase(
  stack: AsyncDisposableStack,
  folder: string,
  choice?: DatabaseChoice,
): Promise<BenchDatabase> {
  const hasBinaries = findPostgresBinaries() !== null
  if (choice === "server" && !hasBinaries) throw new Error("There are no PostgreSQL binaries on this machine.")
  if (choice === "embedded" || !hasBinaries) return embedded(folder)
  const starting = startPostgresServer({ fsync: true })
  // Whoever interrupts the start still wants the server ended.
  stack.defer(async () => {
    const started = await starting.catch(() => null)
    await started?.stop()
  })
  const server = await starting
  const admin = new Client(server.url("postgres"))
  // Its connection ends with the server.
  admin.on("error", () => undefined)
  await admin.connect()
  await admin.query("create database bench")
  const { rows } = await admin.query<{ version: string }>("select current_setting('server_version') as version")
  return {
    description: `PostgreSQL ${rows[0]!.version}, a server of the bench's own, fsync on`,
    place: { url: server.url("bench") },
    cpuMicros: () => treeCpuMicros(server.process.pid!),
    countStatements: (work) => countStatements(server, admin, work),
  }
}

function embedded(folder: string): BenchDatabase {
  const home = join(folder, "embedded")
  mkdirSync(home)
  return {
    description: "embedded PostgreSQL: its CPU is part of the engine's process and figures",
    place: { folder: home },
    cpuMicros: () => null,
    countStatements: async (work) => {
      await work()
      return null
    },
  }
}

/** The server logs each statement while it is asked to, which costs it something: never while CPU is measured. */
async function countStatements(
  { process }: PostgresServer,
  admin: Client,
  work: () => Promise<void>,
): Promise<StatementCounts> {
  const log = process.stderr!
  const counts: StatementCounts = new Map()
  const onData = lineReader((line) => {
    const name = /LOG: {2}execute ([^:]+):/.exec(line)?.[1]
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  })
  await admin.query("alter system set log_parameter_max_length = 0")
  await setStatementLog(admin, "all")
  log.on("data", onData)
  try {
    await work()
    const marker = waitForLine(log, "bench: all counted")
    await admin.query("select 'bench: all counted'")
    await marker
  } finally {
    log.off("data", onData)
    await setStatementLog(admin, "none")
  }
  return counts
}

/** Resolves when the server's processes have heard of it; they all hear of it at about the same time. */
async function setStatementLog(admin: Client, log: "all" | "none"): Promise<void> {
  await admin.query(`alter system set log_statement = '${log}'`)
  await admin.query("select pg_reload_conf()")
  for (;;) {
    const { rows } = await admin.query<{ log_statement: string }>("show log_statement")
    if (rows[0]!.log_statement === log) return
  }
}

async function waitForLine(log: Readable, text: string): Promise<void> {
  let said = ""
  while (!said.includes(text)) {
    const [chunk] = await once(log, "data")
    said = said.slice(-text.length) + String(chunk)
  }
}

function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = ""
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n")
    rest = lines.pop()!
    for (const line of lines) onLine(line)
  }
}
