import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Client } from "pg"
import { findPostgresBinaries, startPostgresServer } from "../../../packages/engine/test/support/postgres-server.ts"
import { treeCpuMicros } from "./process-cost.ts"
import { countStatements, type StatementCounts } from "./statement-count.ts"

/** Where one server process keeps what it is told: a database of its own, or the folder of an embedded one. */
export type Place = { database: string; url: string } | { folder: string }

export interface BenchDatabase {
  /** For people: which one it is. */
  description: string
  /** Whether it is a server, which others than the engine can use. */
  isServer: boolean
  /** An empty one. */
  newPlace(): Promise<Place>
  /** CPU time that all of it used so far, in µs; null where it is part of the engine's process. */
  cpuMicros(): number | null
  /** The statements that reach a place during `work`; null where nobody can tell. */
  countStatements(place: Place, work: () => Promise<void>): Promise<StatementCounts | null>
}

export type DatabaseChoice = "server" | "embedded"

/** Every server process of the bench has a pool of its own. */
const maxConnections = 300

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
  const starting = startPostgresServer({ fsync: true, maxConnections })
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
  const { rows } = await admin.query<{ version: string }>("select current_setting('server_version') as version")
  let places = 0
  return {
    description: `PostgreSQL ${rows[0]!.version}, a server of the bench's own, fsync on`,
    isServer: true,
    async newPlace() {
      const database = `bench_${++places}`
      await admin.query(`create database ${database}`)
      return { database, url: server.url(database) }
    },
    cpuMicros: () => treeCpuMicros(server.process.pid!),
    async countStatements(place, work) {
      if ("folder" in place) throw new Error("an embedded database has no log")
      return countStatements(admin, server.process.stderr!, place.database, work)
    },
  }
}

function embedded(folder: string): BenchDatabase {
  let places = 0
  return {
    description: "embedded PostgreSQL: its CPU is part of the engine's process and figures",
    isServer: false,
    async newPlace() {
      const home = join(folder, `embedded-${++places}`)
      mkdirSync(home)
      return { folder: home }
    },
    cpuMicros: () => null,
    async countStatements(_, work) {
      await work()
      return null
    },
  }
}

/** Runs SQL on a place of a server, as whoever looks after it would. */
export async function runSql(place: Place, statements: readonly string[]): Promise<void> {
  if ("folder" in place) throw new Error("an embedded database is the engine's alone")
  const client = new Client(place.url)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
