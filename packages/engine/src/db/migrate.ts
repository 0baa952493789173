import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { ChatError } from "../core/errors.ts"
import type { Database, Session, Statement } from "./database.ts"

interface Migration {
  name: string
  checksum: string
  sql: string
}

/** Same depth in `src/db` and `dist/db`. */
const migrationsFolder = new URL("../../migrations/", import.meta.url)

/** Any number that no other program of this database uses: "grizz" in ASCII. */
const lock: Statement = { name: "grizz_lock", text: "select pg_advisory_lock(444234562170)" }
const unlock: Statement = { name: "grizz_unlock", text: "select pg_advisory_unlock(444234562170)" }
const isPrepared: Statement = {
  name: "grizz_is_prepared",
  text: "select to_regclass('grizz.migrations') is not null as prepared",
}
const findApplied: Statement = {
  name: "grizz_find_applied",
  text: "select name, checksum from grizz.migrations order by name",
}
const record: Statement = {
  name: "grizz_record_migration",
  text: "insert into grizz.migrations (name, checksum) values ($1, $2)",
}

const rowSecurityDue: Statement = {
  name: "grizz_row_security_due",
  text: "select script from grizz.row_security_due() script",
}

const analyzeSql = "analyze public.conversations; analyze public.messages; analyze grizz.replies"

const prepareSql = `create schema if not exists grizz;
  create table if not exists grizz.migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now()
  );`
/** A migration may take long; but one that waits for a lock makes everybody else wait behind it. */
const patienceSql =
  "set statement_timeout = 0; set lock_timeout = '30s'; set enable_seqscan = on; set enable_bitmapscan = on"

/**
 * Applies what is missing, each file in a transaction of its own, and returns the names. Safe when several nodes start at
 * once: one applies, the others wait for it. Must run as the owner of the tables, not through a transaction pooler.
 * @param folder of the files `NNNN-what.sql`
 */
export async function migrate(database: Database, folder: URL = migrationsFolder): Promise<string[]> {
  const migrations = await readMigrations(folder)
  return oneAtATime(database, async (session) => {
    await session.script(prepareSql)
    const pending = await selectPending(session, migrations)
    for (const migration of pending) await apply(session, migration)
    if (migrations.length > 0 && folder === migrationsFolder) {
      await session.script("select grizz.apply_access()")
      await guardRows(session)
    }
    // An adopted or restored database has no statistics; until autovacuum comes by, every plan would be a guess.
    if (pending.length > 0 && folder === migrationsFolder) await session.script(analyzeSql)
    return pending.map(({ name }) => name)
  })
}

/** Row-level security for those of the engine's own tables that have none yet. */
export async function guardRows(session: Session): Promise<void> {
  for (const { script } of await session.query<{ script: string }>(rowSecurityDue)) await session.script(script)
}

/** Runs what changes the schema, while no other node does. */
export async function oneAtATime<T>(database: Database, work: (session: Session) => Promise<T>): Promise<T> {
  return database.session(async (session) => {
    await session.script("set statement_timeout = 0; set lock_timeout = 0")
    await session.query(lock)
    try {
      await session.script(patienceSql)
      return await work(session)
    } finally {
      // Where the connection is lost the lock is, too; what went wrong before is what the caller must hear.
      await session.query(unlock).catch(() => [])
    }
  })
}

/** Names of the migrations that are still to be applied; empty when the database is up to date. */
export async function pendingMigrations(database: Database, folder: URL = migrationsFolder): Promise<string[]> {
  const migrations = await readMigrations(folder)
  const [row] = await database.query<{ prepared: boolean }>(isPrepared)
  if (row?.prepared !== true) return migrations.map(({ name }) => name)
  return (await selectPending(database, migrations)).map(({ name }) => name)
}

async function readMigrations(folder: URL): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), "utf8")
      return { name, sql, checksum: createHash("sha256").update(sql).digest("hex") }
    }),
  )
}

async function selectPending(session: Pick<Session, "query">, migrations: Migration[]): Promise<Migration[]> {
  const applied = new Map<string, string>()
  for (const { name, checksum } of await session.query<{ name: string; checksum: string }>(findApplied)) {
    applied.set(name, checksum)
  }
  const changed = migrations.find(({ name, checksum }) => (applied.get(name) ?? checksum) !== checksum)
  if (changed !== undefined) {
    throw new Error(`Migration ${changed.name} was changed after it had been applied to this database.`)
  }
  return migrations.filter(({ name }) => !applied.has(name))
}

async function apply(session: Session, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await session.script(`begin;\n${sql}`)
    await session.query(record, [name, checksum])
    await session.script("commit")
  } catch (error) {
    await session.script("rollback").catch(() => undefined)
    if (error instanceof ChatError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Migration ${name} failed, and nothing of it was kept: ${reason}`, { cause: error })
  }
}
