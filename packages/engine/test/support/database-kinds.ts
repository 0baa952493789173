import { randomBytes } from "node:crypto"
import { Client } from "pg"
import { inject } from "vitest"
import type { Database } from "../../src/db/database.ts"
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"
import { migrate } from "../../src/db/migrate.ts"
import { PostgresDatabase, type PostgresOptions } from "../../src/db/postgres-database.ts"
import "./postgres-global-setup.ts"

export interface OpenDatabase {
  database: Database
  /** Ends and removes it. */
  close(): Promise<void>
}

export interface DatabaseKind {
  name: string
  /** Why its suites are skipped here, or null. For `describe.skipIf(kind.missing !== null)`. */
  missing: string | null
  /** A fresh database without our migrations. */
  openEmpty(): Promise<OpenDatabase>
  /** A fresh, migrated database. */
  open(): Promise<OpenDatabase>
}

/** Of this worker's server; null where there are no binaries. */
export const postgresUrl = inject("postgresUrls")[Number(process.env["VITEST_POOL_ID"]) - 1] ?? null
/** Why there is no server, in the words that a skipped suite shows. */
export const missingServer = postgresUrl === null ? "no postgres binary found" : null

const embedded: DatabaseKind = kind("embedded PostgreSQL", null, async () => {
  const database = await openEmbeddedDatabase({ directory: null })
  return { database, close: () => database.close() }
})

const server: DatabaseKind = kind(
  missingServer === null ? "server PostgreSQL" : `server PostgreSQL: ${missingServer}`,
  missingServer,
  async () => {
    const { url, drop } = await createServerDatabase()
    const database = openServerDatabase(url)
    const close = async () => {
      await database.close()
      await drop()
    }
    return { database, close }
  },
)

/** For `describe.each(databaseKinds)("… on $name", …)`. */
export const databaseKinds: DatabaseKind[] = [embedded, server]

/** For a suite to which either is the same: the server, or what is embedded where there is none. */
export const oneDatabaseKind: DatabaseKind = missingServer === null ? server : embedded

/** A fresh, empty database on this worker's server. */
export async function createServerDatabase(): Promise<{ url: string; name: string; drop: () => Promise<void> }> {
  if (postgresUrl === null) throw new Error("no postgres binary found")
  const name = `grizz_${randomBytes(6).toString("hex")}`
  await administrate(postgresUrl, `create database ${name}`)
  const url = new URL(postgresUrl)
  url.pathname = `/${name}`
  return { url: url.href, name, drop: () => administrate(postgresUrl, `drop database ${name} with (force)`) }
}

export function openServerDatabase(url: string, options: Partial<PostgresOptions> = {}): PostgresDatabase {
  const defaults = { poolSize: 10, maxOverflow: 5, recycleSeconds: 180, statementTimeoutMs: 15_000 }
  return new PostgresDatabase({ url, ...defaults, ...options })
}

async function administrate(url: string, sql: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

function kind(name: string, missing: string | null, openEmpty: () => Promise<OpenDatabase>): DatabaseKind {
  const open = async () => {
    const opened = await openEmpty()
    await migrate(opened.database)
    return opened
  }
  return { name, missing, openEmpty, open }
}
