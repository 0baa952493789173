import type { DatabaseConfig } from "../core/config.ts"
import { isLoopbackBind } from "../core/loopback.ts"
import type { Database, Statement } from "../db/database.ts"
import { pendingMigrations } from "../db/migrate.ts"
import { PostgresDatabase } from "../db/postgres-database.ts"
import { clockFinding } from "./clock.ts"
import { type Finding, fail, ok, reasonOf, warn } from "./finding.ts"
import { keepsSession } from "./pooler.ts"

const survey: Statement = {
  name: "grizz_doctor_survey",
  text: `select current_setting('server_version') as version,
      current_setting('server_version_num')::integer as version_number,
      pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as read_only,
      current_setting('fsync')::boolean as fsync,
      current_user::text as role,
      (select rolsuper from pg_roles where rolname = current_user) as superuser,
      (select rolconnlimit from pg_roles where rolname = current_user) as role_connections,
      current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        as connections,
      coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as encrypted,
      (select coalesce(json_agg(name), '[]') from pg_available_extensions where name in ('vector', 'pg_trgm'))
        as extensions,
      (select coalesce(installed_version, default_version) from pg_available_extensions where name = 'vector')
        as vector_version,
      has_database_privilege(current_database(), 'create') and has_schema_privilege('public', 'create') as may_create,
      (
        select coalesce(bool_and(
          has_table_privilege(t.oid, 'select') and has_table_privilege(t.oid, 'insert')
          and has_table_privilege(t.oid, 'update') and has_table_privilege(t.oid, 'delete')
          -- Row-level security lets only these pass; any other role would find the tables empty.
          and (pg_has_role(t.relowner, 'usage') or me.rolbypassrls or coalesce(pg_has_role(engine.oid, 'usage'), false))
        ), true)
        from pg_class t
        join pg_roles me on me.rolname = current_user
        left join pg_roles engine on engine.rolname = 'grizz_engine'
        where t.oid in (to_regclass('public.conversations'), to_regclass('public.messages'))
      ) as may_write`,
}

const readClock: Statement = {
  name: "grizz_doctor_clock",
  text: "select (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms",
}

interface Survey {
  version: string
  version_number: number
  read_only: boolean
  fsync: boolean
  role: string
  superuser: boolean
  role_connections: number
  connections: number
  encrypted: boolean
  extensions: string[]
  vector_version: string | null
  may_create: boolean
  may_write: boolean
}

/** Whether the server can be reached, is fit, lets the engine work, and holds this release's schema. */
export async function databaseFindings(
  config: DatabaseConfig & { url: string },
  workers: number | null,
  wantsVectors: boolean,
): Promise<Finding[]> {
  const database = new PostgresDatabase({ ...config, poolSize: 1, maxOverflow: 2 })
  try {
    const [found] = await database.query<Survey>(survey)
    const url = new URL(config.url)
    return [
      ...judgeServer(found!),
      await poolerFinding(database, url),
      connectionsFinding(found!, { ...config, workers }, url),
      encryptionFinding(found!, url),
      ...judgeRole(found!),
      await migrationsFinding(database, found!),
      ...judgeExtensions(found!, wantsVectors),
      await databaseClockFinding(database),
    ]
  } catch (error) {
    return [fail("database", `The database cannot be used: ${reasonOf(error)}.`, remedyOf(error))]
  } finally {
    await database.close()
  }
}

function remedyOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "28P01" || code === "28000") return "check the user and the password in DATABASE_URL"
  if (code === "3D000") return "create that database, or name another one in DATABASE_URL"
  if (code === "53300") return "the server has no connection to spare: close others, or lower DB_POOL_SIZE"
  return "check DATABASE_URL, and that the server runs and lets this machine in"
}

function judgeServer(found: Survey): Finding[] {
  const name = "database"
  const findings = [
    found.version_number >= 150_000
      ? ok(name, `PostgreSQL ${found.version} answers.`)
      : fail(name, `PostgreSQL ${found.version} is too old.`, "use 15 or newer"),
  ]
  if (found.read_only) findings.push(fail(name, "It is read-only.", "name the primary in DATABASE_URL, not a replica"))
  if (!found.fsync) {
    findings.push(warn(name, "fsync is off: what was acknowledged may be lost when it crashes.", "turn fsync on"))
  }
  return findings
}

async function poolerFinding(database: Database, { port }: URL): Promise<Finding> {
  const name = "pooler"
  if (await keepsSession(database)) {
    if (port !== "6543") return ok(name, "A connection keeps its session, as prepared statements need it.")
    return warn(name, "Port 6543 is mostly a transaction pooler's.", "use the session pooler's port, 5432")
  }
  const remedy = "use the session pooler (port 5432) or a direct connection"
  return fail(name, "A transaction pooler is in between: prepared statements and settings do not survive.", remedy)
}

/** Every worker of a node has a pool of its own. */
type Pools = DatabaseConfig & { workers: number | null }

function connectionsFinding(found: Survey, { poolSize, maxOverflow, workers }: Pools, { hostname }: URL): Finding {
  const name = "connections"
  const perNode = (poolSize + maxOverflow) * (workers ?? 1)
  const cap = found.role_connections >= 0 ? Math.min(found.connections, found.role_connections) : found.connections
  const nodes = Math.floor(cap / perNode)
  const use = workers === null ? `A node takes up to ${perNode}` : `A node of ${workers} workers takes up to ${perNode}`
  if (nodes === 0) {
    return fail(name, `${use}, and the server allows ${cap}.`, "lower DB_POOL_SIZE and DB_MAX_OVERFLOW, or allow more")
  }
  if (hostname.endsWith(".pooler.supabase.com")) {
    const sentence = `${use}; the pooler's Pool Size caps all nodes together.`
    return warn(name, sentence, `set Pool Size to at least ${perNode} for each node, and one more while deploying`)
  }
  if (nodes > 1) return ok(name, `${use} of the ${cap} that the server allows: room for ${nodes} nodes.`)
  return warn(
    name,
    `${use} of the ${cap} that the server allows: room for one node.`,
    "allow more before adding nodes or deploying without a gap",
  )
}

function encryptionFinding({ encrypted }: Survey, { hostname, searchParams }: URL): Finding {
  const name = "database TLS"
  const asks = searchParams.get("sslmode") ?? process.env["PGSSLMODE"] ?? "disable"
  // Behind a pooler the server only knows the pooler's own connection; the driver never goes on without what was asked.
  if (asks !== "disable" || encrypted) return ok(name, "The connection is encrypted.")
  if (isLoopbackBind(hostname.replace(/^\[|\]$/g, ""))) return ok(name, "The server is on this machine.")
  return warn(
    name,
    "The connection is not encrypted.",
    "add ?sslmode=verify-full to DATABASE_URL (and sslrootcert=) unless the network is private",
  )
}

function judgeRole({ role, superuser, may_write: mayWrite }: Survey): Finding[] {
  const name = "database role"
  if (!mayWrite) {
    return [
      fail(
        name,
        `The role ${role} may not read and write the tables.`,
        "grant it grizz_engine, or use the tables' owner",
      ),
    ]
  }
  if (!superuser) return [ok(name, `The role ${role} may read and write.`)]
  return [warn(name, `The role ${role} is a superuser, which the engine does not need.`, "use the tables' owner")]
}

async function migrationsFinding(database: Database, found: Survey): Promise<Finding> {
  const name = "migrations"
  try {
    const pending = await pendingMigrations(database)
    if (pending.length === 0) return ok(name, "The schema is this release's.")
    const sentence = `${pending.length} are to be applied: ${pending.join(", ")}.`
    if (found.may_create) return warn(name, sentence, "run grizz migrate, or let grizz serve do it")
    return fail(name, sentence, `run grizz migrate as the tables' owner: ${found.role} may not`)
  } catch (error) {
    return fail(
      name,
      `The schema cannot be judged: ${reasonOf(error)}.`,
      "run the release that this database was made by",
    )
  }
}

function judgeExtensions({ extensions, vector_version: version }: Survey, wantsVectors: boolean): Finding[] {
  if (wantsVectors && (version === null || /^0\.[0-6](?:\.|$)/.test(version))) {
    const sentence = version === null ? "pgvector is not available" : `pgvector is ${version}`
    const remedy = "install pgvector 0.7 or newer, or unset EMBEDDINGS_MODEL; the engine finds by words without"
    return [warn("extensions", `${sentence}: EMBEDDINGS_MODEL has no effect.`, remedy)]
  }
  const has = (wanted: string) => extensions.includes(wanted)
  if (has("vector") && has("pg_trgm")) return [ok("extensions", "vector and pg_trgm are available.")]
  const missing = ["vector", "pg_trgm"].filter((wanted) => !has(wanted))
  const sentence = `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not available.`
  return [warn("extensions", sentence, "install them to search memories by meaning; the engine works without")]
}

async function databaseClockFinding(database: Database): Promise<Finding> {
  const askedAtMs = Date.now()
  const [row] = await database.query<{ now_ms: number }>(readClock)
  return clockFinding("clock", (askedAtMs + Date.now()) / 2 - row!.now_ms)
}
