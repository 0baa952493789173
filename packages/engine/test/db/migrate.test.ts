import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { migrate, pendingMigrations } from "../../src/db/migrate.ts"
import {
  createServerDatabase,
  databaseKinds,
  missingServer,
  type OpenDatabase,
  openServerDatabase,
} from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

const shipped = new URL("../../migrations/", import.meta.url)

describe.each(databaseKinds)("migrations on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("run", () => {
    let opened: OpenDatabase
    let folder: string
    let url: URL
    beforeAll(async () => {
      opened = await kind.openEmpty()
    })
    afterAll(() => opened.close())
    beforeEach(async () => {
      const wipe = "drop schema if exists grizz cascade; drop schema public cascade; create schema public"
      await opened.database.session((session) => session.script(wipe))
      folder = await mkdtemp(join(tmpdir(), "grizz-migrations-"))
      url = pathToFileURL(`${folder}/`)
    })
    afterEach(async () => {
      await rm(folder, { recursive: true })
    })

    test("all in order, once; what is pending is known before and after", async () => {
      const names = (await readdir(shipped)).sort()
      expect(await pendingMigrations(opened.database)).toEqual(names)
      expect(await migrate(opened.database)).toEqual(names)
      expect(await pendingMigrations(opened.database)).toEqual([])
      expect(await migrate(opened.database)).toEqual([])
    })

    test("one that fails leaves nothing behind, says which it is, and those before it stay", async () => {
      await writeFile(join(folder, "0001-first.sql"), "create table first (id integer);")
      await writeFile(join(folder, "0002-second.sql"), "create table second (id integer); select no_such_function();")
      await expect(migrate(opened.database, url)).rejects.toThrow(/0002-second\.sql failed.*no_such_function/)
      const tables = await sql(opened.database, "select tablename from pg_tables where schemaname = 'public'")
      expect(tables).toEqual([{ tablename: "first" }])
      expect(await pendingMigrations(opened.database, url)).toEqual(["0002-second.sql"])
      await writeFile(join(folder, "0002-second.sql"), "create table second (id integer);")
      expect(await migrate(opened.database, url)).toEqual(["0002-second.sql"])
    })

    test("one that was changed after it had been applied is refused", async () => {
      await writeFile(join(folder, "0001-first.sql"), "create table first (id integer);")
      await migrate(opened.database, url)
      await writeFile(join(folder, "0001-first.sql"), "create table first (id bigint);")
      const sentence = "Migration 0001-first.sql was changed after it had been applied to this database."
      await expect(migrate(opened.database, url)).rejects.toThrow(sentence)
      await expect(pendingMigrations(opened.database, url)).rejects.toThrow(sentence)
    })
  })
})

describe.skipIf(missingServer !== null)(
  `migrations of several nodes on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    test("of four that start at once exactly one applies, and all four find it done", async () => {
      const { url, drop } = await createServerDatabase()
      const nodes = Array.from({ length: 4 }, () => openServerDatabase(url, { poolSize: 2, maxOverflow: 0 }))
      const applied = await Promise.all(nodes.map((node) => migrate(node)))
      const names = (await readdir(shipped)).sort()
      expect(applied.filter((names) => names.length > 0)).toEqual([names])
      for (const node of nodes) expect(await pendingMigrations(node)).toEqual([])
      await Promise.all(nodes.map((node) => node.close()))
      await drop()
    })

    test("a role that may not create roles can migrate", async () => {
      const { url, name, drop } = await createServerDatabase()
      const admin = openServerDatabase(url)
      const owner = `owner_of_${name}`
      await admin.session((session) =>
        session.script(`create role ${owner} login; alter database ${name} owner to ${owner}`),
      )
      const login = new URL(url)
      login.username = owner
      const database = openServerDatabase(login.href)
      const folder = await mkdtemp(join(tmpdir(), "grizz-migrations-"))
      for (const file of await readdir(shipped)) await copyFile(new URL(file, shipped), join(folder, file))
      expect(await migrate(database)).toHaveLength((await readdir(shipped)).length)
      await database.close()
      await admin.close()
      await drop()
      await rm(folder, { recursive: true })
    })
  },
)
