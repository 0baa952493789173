import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { lockDirectory } from "../../src/db/directory-lock.ts"
import { openEmbeddedDatabase } from "../../src/db/embedded-database.ts"
import { assertCommitSyncs } from "../../src/db/synced-pglite.ts"
import { sql } from "../support/database-sql.ts"

const program = new URL("./embedded-process.ts", import.meta.url).pathname

describe("the embedded database", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "grizz-embedded-"))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const start = (mode: "hold" | "write") => new TestProcess(spawn(process.execPath, [program, directory, mode]))

  test("what was acknowledged is there after a SIGKILL in the middle of commits, every time", async () => {
    const setup = await openEmbeddedDatabase({ directory })
    await sql(setup, "create table written (n integer generated always as identity, text text)")
    await setup.close()
    for (const kills of [5, 60, 150]) {
      const writer = start("write")
      const lines = await writer.untilLines(kills)
      writer.child.kill("SIGKILL")
      await writer.exited
      const acknowledged = [...lines, ...writer.lines].filter((line) => /^\d+$/.test(line)).map(Number)
      const database = await openEmbeddedDatabase({ directory })
      const rows = await sql<{ n: number }>(database, "select n from written")
      const there = new Set(rows.map(({ n }) => n))
      expect(acknowledged.filter((n) => !there.has(n))).toEqual([])
      expect(acknowledged.length).toBeGreaterThanOrEqual(kills - 1)
      await database.close()
    }
  }, 90_000)

  test("a second process is told which one has the folder, and gets it when that one is gone", async () => {
    const holder = start("hold")
    await holder.untilLines(1)
    const sentence = `The folder ${directory} is in use by process ${holder.child.pid}, which must be stopped first.`
    await expect(openEmbeddedDatabase({ directory })).rejects.toThrow(sentence)
    const second = start("hold")
    await second.exited
    expect(second.stderr).toBe(sentence)
    holder.child.kill("SIGKILL")
    await holder.exited
    const database = await openEmbeddedDatabase({ directory })
    await expect(openEmbeddedDatabase({ directory })).rejects.toThrow("is in use by this process")
    await database.close()
    const third = start("hold")
    await third.untilLines(1)
    third.child.kill("SIGTERM")
    expect(await third.exited).toBe(0)
  }, 90_000)

  test("a folder that cannot be made or written is one sentence", async () => {
    const file = join(directory, "file")
    writeFileSync(file, "")
    const inside = join(file, "data")
    await expect(openEmbeddedDatabase({ directory: inside })).rejects.toThrow(
      `The folder ${inside} cannot be written (ENOTDIR).`,
    )
    await expect(openEmbeddedDatabase({ directory: file })).rejects.toThrow(
      `The folder ${file} cannot be written (EEXIST).`,
    )
  })

  test("a database whose commits sync nothing is not started", async () => {
    const pglite = await PGlite.create()
    await expect(assertCommitSyncs(pglite, { syncs: 4 })).rejects.toThrow("does not sync its commits")
    expect(pglite.closed).toBe(true)
  })

  test("a database that panics is unavailable from then on, and its folder is free again", async () => {
    const database = await openEmbeddedDatabase({ directory })
    await sql(database, "create table written (n integer)")
    rmSync(join(directory, "database", "pg_wal"), { recursive: true })
    await sql(database, "select pg_switch_wal()::text as at")
    const lost = [sql(database, "insert into written values (1)"), sql(database, "select 1 as one")]
    for (const statement of lost) await expect(statement).rejects.toMatchObject({ code: "unavailable" })
    await expect(database.ping()).rejects.toMatchObject({ code: "unavailable" })
    await database.close()
    lockDirectory(directory).release()
  }, 60_000)

  test("VACUUM runs by itself once there was work and then quiet", async () => {
    const database = await openEmbeddedDatabase({ directory: null, vacuumAfterStatements: 20, vacuumAfterIdleMs: 50 })
    await sql(database, "create table written (n integer)")
    const plan = "select reltuples::integer as rows from pg_class where relname = 'written'"
    expect(await sql(database, plan)).toEqual([{ rows: -1 }])
    for (let n = 0; n < 20; n += 1) await sql(database, "insert into written values (1)")
    await expect.poll(() => sql(database, plan), { interval: 120 }).toEqual([{ rows: 20 }])
    await database.close()
  })

  test("a session has the connection for itself, and leaves no transaction, setting or lock", async () => {
    const database = await openEmbeddedDatabase({ directory: null })
    await sql(database, "create table written (n integer)")
    const inside = Promise.withResolvers<void>()
    const failing = database.session(async (session) => {
      await session.script(
        "begin; set local search_path = nowhere; select pg_advisory_lock(1); insert into public.written values (1)",
      )
      inside.resolve()
      await session.script("set timezone = 'Asia/Tokyo'; select pg_advisory_lock(2)")
      throw new Error("left in the middle")
    })
    await inside.promise
    const outside = sql(database, "select count(*)::integer as rows, current_setting('timezone') as zone from written")
    const next = database.session((session) =>
      sql(session, "select count(*)::integer as locks from pg_locks where locktype = 'advisory'"),
    )
    await expect(failing).rejects.toThrow("left in the middle")
    expect(await outside).toEqual([{ rows: 0, zone: expect.stringMatching(/^(UTC|GMT)$/) }])
    expect(await next).toEqual([{ locks: 0 }])
    await database.close()
  })

  test("closing finishes what is in flight, twice is once, and afterwards it is unavailable", async () => {
    const database = await openEmbeddedDatabase({ directory: null })
    const last = sql(database, "select count(*)::integer as n from generate_series(1, 300000)")
    await Promise.all([database.close(), database.close()])
    expect(await last).toEqual([{ n: 300_000 }])
    await expect(database.ping()).rejects.toMatchObject({ code: "unavailable" })
    await expect(database.session(async () => undefined)).rejects.toMatchObject({ code: "unavailable" })
  })
})

class TestProcess {
  readonly child: ChildProcess
  readonly lines: string[] = []
  /** Exit code, or null after a signal. */
  readonly exited: Promise<number | null>
  stderr = ""
  #rest = ""
  #onLine: () => void = () => undefined

  constructor(child: ChildProcess) {
    this.child = child
    this.exited = once(child, "close").then(([code]: (number | null)[]) => code ?? null)
    child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()))
    child.stdout?.on("data", (chunk: Buffer) => {
      const parts = (this.#rest + chunk.toString()).split("\n")
      this.#rest = parts.pop() ?? ""
      this.lines.push(...parts)
      this.#onLine()
    })
  }

  async untilLines(count: number): Promise<string[]> {
    await new Promise<void>((resolve, reject) => {
      this.#onLine = () => {
        if (this.lines.length >= count) resolve()
      }
      this.#onLine()
      this.child.once("exit", () => reject(new Error(`the process ended: ${this.stderr}`)))
    })
    return [...this.lines]
  }
}
