import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { ChatError } from "../../src/core/errors.ts"
import type { PostgresDatabase, PostgresOptions } from "../../src/db/postgres-database.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { freePort, startPostgresServer } from "../support/postgres-server.ts"

const pidOf = async (database: PostgresDatabase) =>
  (await sql<{ pid: number }>(database, "select pg_backend_pid() as pid"))[0]!.pid

describe.skipIf(missingServer !== null)(
  `the pool, on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    let server: { url: string; drop: () => Promise<void> }
    let admin: PostgresDatabase
    const opened: PostgresDatabase[] = []
    beforeAll(async () => {
      server = await createServerDatabase()
      admin = openServerDatabase(server.url, { poolSize: 1 })
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((database) => database.close()))
    })
    afterAll(async () => {
      await admin.close()
      await server.drop()
    })

    const open = (options: Partial<PostgresOptions> = {}) => {
      const database = openServerDatabase(server.url, options)
      opened.push(database)
      return database
    }
    const kill = (pid: number) => sql(admin, "select pg_terminate_backend($1::integer, 5000)", [pid])
    /** Holds all connections but none of the caller's time. */
    const occupy = (database: PostgresDatabase, count: number) => {
      const release = Promise.withResolvers<void>()
      const taken = Array.from({ length: count }, () => Promise.withResolvers<void>())
      const done = taken.map((one) =>
        database.session(async () => {
          one.resolve()
          await release.promise
        }),
      )
      const end = async () => {
        release.resolve()
        await Promise.all(done)
      }
      return { ready: Promise.all(taken.map(({ promise }) => promise)), end }
    }

    test("a connection carries the engine's name and limits", async () => {
      const settings = `select current_setting('application_name') as name, current_setting('statement_timeout') as timeout,
      current_setting('synchronous_commit') as commit`
      const rows = await sql(open({ statementTimeoutMs: 15_000 }), settings)
      expect(rows).toEqual([{ name: "grizz", timeout: "15s", commit: "on" }])
    })

    test("an idle connection that the server ended is replaced without a word to the caller", async () => {
      const lost = Promise.withResolvers<Error>()
      const database = open({ onIdleError: lost.resolve })
      const before = await pidOf(database)
      await kill(before)
      expect((await lost.promise).message).toMatch(/terminat/)
      expect(await pidOf(database)).not.toBe(before)
    })

    test("a connection that died unnoticed is found by a ping once it was idle for long, and not pinged before", async () => {
      const proxy = await SilentProxy.start(new URL(server.url))
      let nowMs = 0
      const database = openServerDatabase(proxy.url, { now: () => nowMs, poolSize: 2, maxOverflow: 0 })
      const both = await Promise.all([pidOf(database), pidOf(database)])
      proxy.silence()
      nowMs = 31_000
      expect(both).not.toContain(await pidOf(database))
      expect(both).not.toContain(await pidOf(database))
      const statements = proxy.bytesSent
      nowMs = 60_000
      await database.ping()
      const plain = proxy.bytesSent - statements
      nowMs = 91_000
      await database.ping()
      expect(proxy.bytesSent - statements - plain).toBeGreaterThan(plain)
      await database.close()
      await proxy.stop()
    })

    test("a statement whose connection is cut rejects as unavailable, and the pool recovers", async () => {
      const database = open()
      const pid = await pidOf(database)
      const sleeping = sql(database, "select pg_sleep(30)")
      const failed = sleeping.catch((error: unknown) => error)
      while (
        (await sql(admin, "select 1 as one from pg_stat_activity where pid = $1::integer and state = 'active'", [pid]))
          .length === 0
      );
      await kill(pid)
      expect(await failed).toMatchObject({ code: "unavailable" })
      expect(await pidOf(database)).not.toBe(pid)
    })

    test("a connection that is lost between two statements of a session ends that session alone", async () => {
      const database = open()
      const work = database.session(async (session) => {
        const [row] = await sql<{ pid: number }>(session, "select pg_backend_pid() as pid")
        await kill(row!.pid)
        await sql(session, "select 1 as one")
      })
      await expect(work).rejects.toMatchObject({ code: "unavailable" })
      await database.ping()
    })

    test("no more than size and overflow connections are open, and the overflow closes when it is idle", async () => {
      const database = open({ poolSize: 2, maxOverflow: 3 })
      await database.query({ name: "urgent", text: "select 1", isUrgent: true })
      const pids = await Promise.all(Array.from({ length: 40 }, () => pidOf(database)))
      expect(new Set(pids).size).toBeLessThanOrEqual(5)
      expect(database.connections.total).toBeLessThanOrEqual(5)
      await expect.poll(() => database.connections.total).toBe(2)
    })

    test("an exhausted pool answers unavailable after a bounded wait, but for what is urgent, and works again when there is room", async () => {
      const database = open({ poolSize: 1, maxOverflow: 2, acquireTimeoutMs: 500 })
      const { ready, end } = occupy(database, 2)
      await ready
      const startedAt = performance.now()
      const waiting = await Promise.allSettled(Array.from({ length: 20 }, () => database.ping()))
      expect(performance.now() - startedAt).toBeLessThan(8_000)
      for (const result of waiting) {
        const refusal = { code: "unavailable", message: "The database has no connection to spare." }
        expect(result).toMatchObject({ status: "rejected", reason: refusal })
      }
      expect(database.connections.waiting).toBe(0)
      expect(await database.query({ name: "urgent", text: "select 1 as one", isUrgent: true })).toEqual([{ one: 1 }])
      await end()
      await database.ping()
    })

    test("of one connection, everything is done", async () => {
      const database = open({ poolSize: 1, maxOverflow: 0 })
      expect(await database.query({ name: "urgent", text: "select 1 as one", isUrgent: true })).toEqual([{ one: 1 }])
      await database.ping()
      expect(database.connections.total).toBe(1)
    })

    test("a connection older than its age is replaced", async () => {
      const database = open({ recycleSeconds: 1, poolSize: 1, maxOverflow: 0 })
      const before = await pidOf(database)
      await expect.poll(() => database.connections.total).toBe(0)
      expect(await pidOf(database)).not.toBe(before)
    })

    test("a statement that takes too long is ended by the server", async () => {
      const database = open({ statementTimeoutMs: 100 })
      const refusal = { code: "unavailable", message: "The database took too long to answer." }
      await expect(sql(database, "select pg_sleep(30)")).rejects.toMatchObject(refusal)
      // The server reports the state a moment after it has answered.
      const running =
        "select 1 as one from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()"
      await expect.poll(() => sql(admin, running)).toEqual([])
    })

    test("a read-only database and a held lock are unavailable; a mistake is not", async () => {
      const database = open({ statementTimeoutMs: 300 })
      await database.session((session) =>
        session.script("create table held (id integer primary key); insert into held values (1)"),
      )
      const readOnly = database.session((session) => session.script("begin read only; insert into held values (2)"))
      await expect(readOnly).rejects.toMatchObject({
        code: "unavailable",
        message: "The database is read-only at the moment.",
      })
      await admin.session(async (session) => {
        await session.script("begin; update held set id = 1")
        await expect(sql(database, "update held set id = 3")).rejects.toMatchObject({ code: "unavailable" })
      })
      const mistake = await sql(database, "select 1/0 as x").catch((error: unknown) => error)
      expect(mistake).toBeInstanceOf(Error)
      expect(mistake).not.toBeInstanceOf(ChatError)
    })

    test("no server, an unknown name, a refused user or database: unavailable, at once", async () => {
      const strangers = [
        `postgres://postgres@127.0.0.1:${await freePort()}/x`,
        "postgres://postgres@no-such-host.invalid/x",
      ]
      const absent = new URL(server.url)
      absent.pathname = "/no_such_database"
      const nobody = new URL(server.url)
      nobody.username = "no_such_role"
      for (const url of [...strangers, absent.href, nobody.href]) {
        const database = openServerDatabase(url)
        await expect(database.ping(), url).rejects.toMatchObject({ code: "unavailable" })
        await database.close()
      }
    })

    test("closing finishes what is in flight, twice is once, and afterwards it is unavailable", async () => {
      const database = open()
      const last = sql(database, "select pg_sleep(0.2), 7 as seven")
      await database.ping()
      await Promise.all([database.close(), database.close()])
      expect(await last).toMatchObject([{ seven: 7 }])
      await expect(database.ping()).rejects.toMatchObject({ code: "unavailable" })
    })

    test("a server that is frozen, then gone, is unavailable in bounded time; once it goes on, so does the pool", async () => {
      const own = await startPostgresServer({ maxConnections: 12 })
      onTestFinished(() => own.stop())
      const database = openServerDatabase(own.url("postgres"), { statementTimeoutMs: 200, acquireTimeoutMs: 1_000 })
      const tryAll = () => Promise.allSettled(Array.from({ length: 30 }, () => database.ping()))
      const unavailable = { status: "rejected", reason: { code: "unavailable" } }
      await database.ping()
      const greedy = openServerDatabase(own.url("postgres"), { poolSize: 13, maxOverflow: 0 })
      const sleeps = await Promise.allSettled(Array.from({ length: 12 }, () => sql(greedy, "select pg_sleep(0.5)")))
      const refused = sleeps.flatMap((sleep) => (sleep.status === "rejected" ? [sleep.reason] : []))
      expect(refused.length).toBeGreaterThan(0)
      for (const reason of refused) {
        expect(reason).toMatchObject({ message: "The database has no connection to spare." })
      }
      await greedy.close()
      // The postmaster makes connections; what is connected already has a process of its own.
      const pid = await pidOf(database)
      process.kill(pid, "SIGSTOP")
      own.process.kill("SIGSTOP")
      for (const result of await tryAll()) expect(result).toMatchObject(unavailable)
      process.kill(pid, "SIGCONT")
      own.process.kill("SIGCONT")
      const state = () =>
        database.ping().then(
          () => "back",
          () => "away",
        )
      await expect.poll(state, { timeout: 10_000 }).toBe("back")
      await own.stop()
      for (const result of await tryAll()) expect(result).toMatchObject(unavailable)
      await database.close()
    })
  },
)

/** Forwards to the server until it is silenced: then old connections are black holes, and new ones work. */
class SilentProxy {
  readonly url: string
  bytesSent = 0
  readonly #server: Server
  readonly #sockets: Socket[] = []
  #pairs: [Socket, Socket][] = []

  static async start(target: URL): Promise<SilentProxy> {
    const server = createServer()
    server.listen(await freePort(), "127.0.0.1")
    await once(server, "listening")
    return new SilentProxy(server, target)
  }

  private constructor(server: Server, target: URL) {
    this.#server = server
    const address = server.address()
    const url = new URL(target)
    url.port = address !== null && typeof address === "object" ? String(address.port) : ""
    this.url = url.href
    server.on("connection", (client) => {
      const upstream = connect(Number(target.port), target.hostname)
      this.#sockets.push(client, upstream)
      this.#pairs.push([client, upstream])
      for (const socket of [client, upstream]) socket.on("error", () => socket.destroy())
      client.on("data", (chunk: Buffer) => (this.bytesSent += chunk.length))
      client.pipe(upstream).pipe(client)
    })
  }

  silence(): void {
    for (const [client, upstream] of this.#pairs) {
      client.unpipe(upstream)
      upstream.unpipe(client)
    }
    this.#pairs = []
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, "close")
  }
}
