import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { statSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { Client } from "pg"
import { type PostgresServer, type PostgresServerOptions, startPostgresServer } from "./postgres-server.ts"

/** A PostgreSQL server of one suite, to which every fault can be done. */
export class FaultyPostgres {
  readonly #server: PostgresServer
  #postmaster: ChildProcess
  #admin: Client | null = null
  readonly #killAtExit = () => void this.#postmaster.kill("SIGQUIT")

  private constructor(server: PostgresServer) {
    this.#server = server
    this.#postmaster = server.process
    process.once("exit", this.#killAtExit)
  }

  static async start(options: PostgresServerOptions = {}): Promise<FaultyPostgres> {
    return new FaultyPostgres(await startPostgresServer({ fsync: true, ...options }))
  }

  get url(): string {
    return this.#server.url("postgres")
  }

  /** A statement of the test's own, over a connection that it keeps. */
  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    this.#admin ??= await this.connect()
    return (await this.#admin.query<Row>(text, values)).rows
  }

  /** Another client of the server. */
  async connect(): Promise<Client> {
    const client = new Client({ connectionString: this.url, connectionTimeoutMillis: 5000 })
    // It dies with the server.
    client.on("error", () => undefined)
    await client.connect()
    return client
  }

  /** SIGKILL of the server with every process that it has. Resolves when they are gone. */
  async kill(): Promise<void> {
    const processes = await this.query<{ pid: number }>("select pid from pg_stat_activity where pid is not null")
    await this.#end("SIGKILL")
    for (const { pid } of processes) endIfThere(pid)
  }

  /** A fast shutdown: every session is ended. Resolves when it is gone. */
  shutDown(): Promise<void> {
    return this.#end("SIGINT")
  }

  /** Starts it on its files again; resolves when it answers. */
  async restart(): Promise<void> {
    const { spawnfile, spawnargs } = this.#postmaster
    const data = spawnargs[spawnargs.indexOf("-D") + 1]!
    const { uid, gid } = statSync(data)
    const isRoot = process.getuid?.() === 0
    const child = spawn(spawnfile, spawnargs.slice(1), { cwd: data, stdio: "ignore", ...(isRoot && { uid, gid }) })
    this.#postmaster = child
    while (!(await this.#isAnswering())) {
      if (child.exitCode !== null) throw new Error("PostgreSQL did not start again.")
      await delay(50)
    }
  }

  /** Ends every session but the test's own, as a failover does. Resolves when they are gone. */
  async endSessions(): Promise<void> {
    await this.query(
      `select pg_terminate_backend(pid, 10000) from pg_stat_activity
       where backend_type = 'client backend' and application_name = 'grizz'`,
    )
  }

  /** As a replica that was not promoted, or a primary that was demoted: it can be read. Ends every session. */
  async setReadOnly(isReadOnly: boolean): Promise<void> {
    await this.query(`alter system set default_transaction_read_only = ${isReadOnly ? "on" : "off"}`)
    await this.query("select pg_reload_conf()")
    const wanted = isReadOnly ? "on" : "off"
    while ((await this.#readOnlyOfANewSession()) !== wanted) await delay(20)
    await this.endSessions()
  }

  /** Takes every connection that is left, until there is none. Gives what gives them back. */
  async occupyAll(): Promise<() => Promise<void>> {
    const taken: Client[] = []
    for (;;) {
      try {
        taken.push(await this.connect())
      } catch (error) {
        // "too many clients already"
        if (error instanceof Error && "code" in error && error.code === "53300") break
        throw error
      }
    }
    return async () => void (await Promise.all(taken.map((client) => client.end())))
  }

  /** Moves the user's messages to the small disk. */
  async moveMessagesToSmallDisk(): Promise<void> {
    await this.query(`create tablespace small location '${this.#server.smallDisk}/tables'`)
    await this.query("alter table public.messages set tablespace small")
  }

  /** Writes to the small disk until it is full. */
  async fillDisk(): Promise<void> {
    try {
      await this.query(`copy (select repeat('x', 4000) from generate_series(1, 1e6)) to '${this.#filler}'`)
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "53100") return
      throw error
    }
  }

  async freeDisk(): Promise<void> {
    await this.query(`copy (select 1) to '${this.#filler}'`)
  }

  /** How many of the engine's statements wait for a lock now. */
  async waitingForLocks(): Promise<number> {
    const [row] = await this.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where application_name = 'grizz' and wait_event_type = 'Lock'`,
    )
    return row!.count
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killAtExit)
    await this.#end("SIGQUIT")
    await this.#server.stop()
  }

  get #filler(): string {
    return `${this.#server.smallDisk}/filler`
  }

  async #readOnlyOfANewSession(): Promise<string> {
    const client = await this.connect()
    const { rows } = await client.query<{ setting: string }>("select current_setting($1) as setting", [
      "default_transaction_read_only",
    ])
    await client.end()
    return rows[0]!.setting
  }

  async #isAnswering(): Promise<boolean> {
    try {
      await (await this.connect()).end()
      return true
    } catch {
      // Still starting, or recovering.
      return false
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#admin = null
    const { exitCode, signalCode } = this.#postmaster
    if (exitCode !== null || signalCode !== null) return
    const exit = once(this.#postmaster, "exit")
    this.#postmaster.kill(signal)
    await exit
  }
}

function endIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    // It went with the server.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error
  }
}
