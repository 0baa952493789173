import { Client } from "pg"
import { describe, expect, test } from "vitest"
import { findPostgresBinaries, startPostgresServer } from "../../../packages/engine/test/support/postgres-server.ts"
import { countStatements } from "./statement-count.ts"

describe.runIf(findPostgresBinaries() !== null)("counting statements", () => {
  test("counts those of one database by their names, or first words, and nobody else's", async () => {
    const server = await startPostgresServer()
    const admin = new Client(server.url("postgres"))
    const other = new Client(server.url("template1"))
    try {
      await admin.connect()
      await admin.query("create database counted")
      await other.connect()
      const client = new Client(server.url("counted"))
      await client.connect()
      const counts = await countStatements(admin, server.process.stderr!, "counted", async () => {
        await client.query("begin")
        for (const value of [1, 2, 3]) await client.query({ name: "named", text: "select $1::int", values: [value] })
        await client.query("SELECT $1::text", ["text with\nLOG:  execute lines"])
        await client.query("commit")
        await other.query("select 1")
      })
      expect(Object.fromEntries(counts)).toEqual({ begin: 1, named: 3, select: 1, commit: 1 })
      await client.end()
    } finally {
      await Promise.all([admin.end(), other.end()])
      await server.stop()
    }
  })
})
