import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { PostgresTicketStore } from "../../src/db/postgres-ticket-store.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.each(databaseKinds)("tickets on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("contract", () => {
    let opened: OpenDatabase
    let tickets: PostgresTicketStore
    beforeAll(async () => {
      opened = await kind.open()
      tickets = new PostgresTicketStore(opened.database)
    })
    afterAll(() => opened.close())

    const user = () => ({ userId: newId(), expiresAt: Date.now() + 3_600_000 })
    const rows = (query: string, parameters: string[] = []) => sql<object>(opened.database, query, parameters)
    const hashOf = (ticket: string) => createHash("sha256").update(ticket).digest("hex")

    test("a ticket is its user's, for as long as the token lasts that made it", async () => {
      const owner = user()
      const { ticket, expiresAt } = await tickets.issue(owner)
      expect(Math.abs(Date.parse(expiresAt) - Date.now() - 30_000)).toBeLessThan(5_000)
      expect(await tickets.redeem(ticket)).toEqual(owner)
    })

    test("of a hundred tries at once one gets it, and none afterwards", async () => {
      const owner = user()
      const { ticket } = await tickets.issue(owner)
      const tries = await Promise.all(Array.from({ length: 100 }, () => tickets.redeem(ticket)))
      expect(tries.filter((found) => found !== null)).toEqual([owner])
      expect(await tickets.redeem(ticket)).toBeNull()
    })

    test("a ticket is worth nothing after its time, and goes when others are made", async () => {
      const { ticket } = await tickets.issue(user())
      await rows("update grizz.tickets set expires_at = now() - interval '1 ms' where hash = decode($1, 'hex')", [
        hashOf(ticket),
      ])
      expect(await tickets.redeem(ticket)).toBeNull()
      await tickets.issue(user())
      expect(await rows("select from grizz.tickets where hash = decode($1, 'hex')", [hashOf(ticket)])).toEqual([])
    })

    test("the database has no ticket in it that anyone could use", async () => {
      const { ticket } = await tickets.issue(user())
      const [row] = await sql<{ found: string }>(
        opened.database,
        "select string_agg(t::text, ' ') as found from grizz.tickets t",
      )
      expect(row!.found).toContain(hashOf(ticket))
      expect(row!.found).not.toContain(ticket)
    })

    test.each(["", "nonsense", "a".repeat(43), "a".repeat(10_000), "\0", "x'; select 1"])(
      "%j is no ticket",
      async (text) => {
        expect(await tickets.redeem(text)).toBeNull()
      },
    )
  })
})
