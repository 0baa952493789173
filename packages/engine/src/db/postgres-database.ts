import { Pool, type PoolClient, type PoolConfig } from "pg"
import { ChatError } from "../core/errors.ts"
import { within } from "../core/within.ts"
import { type Database, type Parameter, plannerSettings, type Session, type Statement } from "./database.ts"
import { translateConnectError, translateDatabaseError } from "./database-error.ts"

export interface PostgresOptions {
  /** `postgres://…`, with `sslmode` and the like as `pg` reads them. */
  url: string
  /** Connections that stay open. */
  poolSize: number
  /** Further connections under load, closed as soon as they are idle. */
  maxOverflow: number
  /** Age after which a connection is replaced. */
  recycleSeconds: number
  statementTimeoutMs: number
  /** How long a caller waits for a connection, or for one to be made. */
  acquireTimeoutMs?: number
  /** A connection that was idle for longer is asked for a sign of life before it is used. */
  pingAfterIdleMs?: number
  /** Told of connections that were lost while idle; nobody waits for them. */
  onIdleError?: (error: Error) => void
  /** Monotonic, in ms. */
  now?: () => number
}

const pingStatement: Statement = { name: "grizz_ping", text: "select 1" }
const pingTimeoutMs = 2_000
/** How long the answer may come after the server's own timeout; only a dead or frozen server takes longer. */
const answerGraceMs = 2_000
const overflowIdleMs = 500
const closeTimeoutMs = 5_000
/** How long a statement waits for a row or a table that another session holds. */
const lockTimeoutMs = 3_000

/**
 * Settings of a connection. Set after connecting, because session poolers drop or refuse start-up parameters that they do
 * not know. A deployment's stronger synchronous_commit (remote_apply) is left alone.
 */
const settingsSql = `select set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
  set_config('idle_in_transaction_session_timeout', $1, false),
  ${Object.entries(plannerSettings)
    .map(([name, value]) => `set_config('${name}', '${value}', false)`)
    .join(", ")},
  case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end`

/**
 * PostgreSQL on a server, through a pool of `poolSize` + `maxOverflow` connections, one of which is for what is urgent;
 * made for Supabase's session pooler.
 */
export class PostgresDatabase implements Database {
  readonly #pool: Pool
  /** Where there is but one connection, that one. */
  readonly #urgentPool: Pool
  readonly #options: PostgresOptions
  readonly #lastUsedMs = new WeakMap<PoolClient, number>()
  readonly #now: () => number
  /** Connections last used before this moment are presumed dead, because one of them was. */
  #suspectBeforeMs = Number.NEGATIVE_INFINITY
  #closed: Promise<void> | undefined

  constructor(options: PostgresOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    const { poolSize, maxOverflow } = options
    const isOne = poolSize + maxOverflow === 1
    const kept = Math.max(1, isOne ? poolSize : poolSize - 1)
    this.#pool = this.#open(kept, isOne ? 1 : poolSize + maxOverflow - 1)
    this.#urgentPool = isOne ? this.#pool : this.#open(1, 1)
  }

  get connections(): { total: number; idle: number; waiting: number } {
    const pools = [...new Set([this.#pool, this.#urgentPool])]
    const sum = (count: (pool: Pool) => number) => pools.reduce((total, pool) => total + count(pool), 0)
    return {
      total: sum((pool) => pool.totalCount),
      idle: sum((pool) => pool.idleCount),
      waiting: sum((pool) => pool.waitingCount),
    }
  }

  async query<Row extends object>(statement: Statement, parameters: Parameter[] = []): Promise<Row[]> {
    const client = await this.#acquire(statement.isUrgent === true ? this.#urgentPool : this.#pool)
    try {
      const rows = await run<Row>(client, statement, parameters, this.#options.statementTimeoutMs + answerGraceMs)
      this.#release(client)
      return rows
    } catch (error) {
      const translated = translateDatabaseError(error)
      if (translated instanceof ChatError && translated.isOutcomeUnknown) this.#suspectBeforeMs = this.#now()
      this.#release(client, translated instanceof ChatError)
      throw translated
    }
  }

  async session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#acquire(this.#pool)
    const session: Session = {
      query: (statement, parameters = []) => translated(run(client, statement, parameters)),
      script: async (sql) => void (await translated(client.query(sql))),
    }
    try {
      return await work(session)
    } finally {
      this.#release(client, true)
    }
  }

  async ping(): Promise<void> {
    await this.query(pingStatement)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const ended = Promise.all([...new Set([this.#pool, this.#urgentPool])].map((pool) => pool.end()))
    // What is in flight may be waiting for a server that does not answer.
    await within(closeTimeoutMs, ended)
  }

  #open(kept: number, most: number): Pool {
    const pool = new Pool(poolConfig(this.#options, kept, most))
    // Without a listener a connection that dies while idle, or between two statements, would end the process.
    pool.on("error", this.#options.onIdleError ?? (() => undefined))
    pool.on("connect", (client) => {
      this.#lastUsedMs.set(client, this.#now())
      client.on("error", onLostConnection)
    })
    return pool
  }

  async #acquire(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const client = await connect(pool)
      if (await this.#isAlive(client)) return client
      this.#suspectBeforeMs = this.#now()
      this.#release(client, true)
    }
  }

  async #isAlive(client: PoolClient): Promise<boolean> {
    const lastUsedMs = this.#lastUsedMs.get(client) ?? this.#now()
    const pingAfterMs = this.#options.pingAfterIdleMs ?? 30_000
    if (lastUsedMs < this.#suspectBeforeMs) return false
    if (this.#now() - lastUsedMs <= pingAfterMs) return true
    return run(client, pingStatement, [], pingTimeoutMs).then(
      () => true,
      () => false,
    )
  }

  #release(client: PoolClient, isBroken = false): void {
    this.#lastUsedMs.set(client, this.#now())
    client.release(isBroken)
  }
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw translateConnectError(error)
  }
}

function poolConfig(options: PostgresOptions, kept: number, most: number): PoolConfig {
  const { url, recycleSeconds, statementTimeoutMs, acquireTimeoutMs = 5_000 } = options
  return {
    connectionString: url,
    min: kept,
    max: most,
    idleTimeoutMillis: overflowIdleMs,
    maxLifetimeSeconds: recycleSeconds,
    connectionTimeoutMillis: acquireTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: "grizz",
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool awaits it, which its types do not say
    onConnect: async (client) => {
      const config = {
        text: settingsSql,
        values: [String(statementTimeoutMs), String(Math.min(statementTimeoutMs, lockTimeoutMs))],
        query_timeout: acquireTimeoutMs,
      }
      await client.query(config)
    },
  }
}

/** `answerTimeoutMs` ends the wait for a server that no longer answers; its own timeout comes first where it lives. */
async function run<Row extends object>(
  client: PoolClient,
  { name, text }: Statement,
  values: Parameter[],
  answerTimeoutMs?: number,
): Promise<Row[]> {
  const config = { name, text, values, ...(answerTimeoutMs === undefined ? {} : { query_timeout: answerTimeoutMs }) }
  return (await client.query<Row>(config)).rows
}

async function translated<T>(result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (error) {
    throw translateDatabaseError(error)
  }
}

/** The statement in flight, or the next one, rejects with it; there is nothing else to tell. */
function onLostConnection(): void {}
