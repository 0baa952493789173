import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { statSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { Client } from "pg"
import { type PostgresServer, startPostgresServer } from "../support/postgres-server.ts"
import type { Stored, StoredMessage, StoredReply } from "./ledger.ts"

/** A PostgreSQL server that syncs, and that can be restarted on its files, or frozen with all its sessions. */
export class ChaosPostgres {
  readonly #server: PostgresServer
  #postmaster: ChildProcess
  readonly #killAtExit = () => void this.#postmaster.kill("SIGQUIT")

  private constructor(server: PostgresServer) {
    this.#server = server
    this.#postmaster = server.process
    process.once("exit", this.#killAtExit)
  }

  static async start(): Promise<ChaosPostgres> {
    return new ChaosPostgres(await startPostgresServer({ fsync: true }))
  }

  get url(): string {
    return this.#server.url("postgres")
  }

  /** An immediate shutdown, `awayMs` of nothing, and a recovery from the log. Resolves when it answers again. */
  async restart(awayMs: number): Promise<void> {
    const { spawnfile, spawnargs } = this.#postmaster
    await this.#quit()
    await delay(awayMs)
    const data = spawnargs[spawnargs.indexOf("-D") + 1]!
    const { uid, gid } = statSync(data)
    this.#postmaster = spawn(spawnfile, spawnargs.slice(1), { cwd: data, uid, gid, stdio: "ignore" })
    await this.untilAnswering()
  }

  /** Stops every session, and the process that would make new ones. Returns what lets them go on. */
  async freeze(): Promise<() => void> {
    const sessions = await this.query<{ pid: number }>(
      "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    )
    const pids = [this.#postmaster.pid!, ...sessions.map(({ pid }) => pid)]
    signal(pids, "SIGSTOP")
    return () => signal(pids, "SIGCONT")
  }

  async query<Row extends object>(text: string): Promise<Row[]> {
    const client = new Client({ connectionString: this.url, connectionTimeoutMillis: 5000 })
    client.on("error", () => undefined)
    await client.connect()
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }

  async unendedReplies(): Promise<number> {
    const sql = "select count(*)::int as count from grizz.replies where status in ('queued', 'running')"
    return (await this.query<{ count: number }>(sql))[0]!.count
  }

  /** The highest position of each conversation's history. */
  async newestPositions(): Promise<Map<string, number>> {
    const rows = await this.query<{ id: string; newest: number }>(
      "select conversation_id as id, max(position)::int as newest from public.messages group by conversation_id",
    )
    return new Map(rows.map(({ id, newest }) => [id, newest]))
  }

  async read(): Promise<Stored> {
    const messages = await this.query<StoredMessage>(
      `select id, conversation_id as "conversationId", position, role, content from public.messages order by position`,
    )
    const replies = await this.query<StoredReply>(
      `select r.id, r.conversation_id as "conversationId", r.message_id as "messageId", r.position, r.status, r.attempt,
        r.calls, r.error_code as "errorCode", r.input_tokens as "inputTokens", r.output_tokens as "outputTokens",
        r.superseded_by as "supersededBy", m.content as text
      from grizz.replies r left join public.messages m on m.id = r.id order by r.position`,
    )
    return { messages, replies }
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killAtExit)
    await this.#quit()
    await this.#server.stop()
  }

  async untilAnswering(): Promise<void> {
    for (;;) {
      try {
        await this.query("select 1")
        return
      } catch {
        // Still recovering.
        await delay(100)
      }
    }
  }

  async #quit(): Promise<void> {
    const { exitCode, signalCode } = this.#postmaster
    if (exitCode !== null || signalCode !== null) return
    const exit = once(this.#postmaster, "exit")
    this.#postmaster.kill("SIGQUIT")
    this.#postmaster.kill("SIGCONT")
    await exit
  }
}

function signal(pids: number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself meanwhile.
      continue
    }
  }
}
