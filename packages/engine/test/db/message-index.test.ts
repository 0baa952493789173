import { randomUUID } from "node:crypto"
import type { Turn } from "@grizz/protocol"
import { describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, missingServer } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { startTestEngine } from "../support/engine.ts"

const countTerms = "select count(*)::integer as count from grizz.message_terms t where t.conversation_id = $1::uuid"

for (const kind of databaseKinds) {
  test.skipIf(kind.missing !== null)(
    `a running engine indexes what is said, on ${kind.name}`,
    async () => {
      const opened = await kind.open()
      const engine = await startTestEngine({ database: opened.database, indexIntervalMs: 50 })
      try {
        const user = await engine.user()
        const id = await user.today()
        await user.request<Turn>("POST", `/conversations/${id}/messages`, { id: randomUUID(), content: "a badger" })
        const count = async () => (await sql<{ count: number }>(opened.database, countTerms, [id]))[0]!.count
        await expect.poll(count, { timeout: 20_000 }).toBe(2)
      } finally {
        await engine.close()
        await opened.close()
      }
    },
    60_000,
  )
}

const server = databaseKinds[1]!
describe.skipIf(missingServer !== null)(`the index of words on ${server.name}`, () => {
  test("a message is in it that an open transaction had inserted long before", async () => {
    const opened = await server.open()
    const { database } = opened
    try {
      const stores = createStores(database, newId)
      const [slow, quick] = [await TestConversation.create(stores), await TestConversation.create(stores)]
      const look = async () => {
        while (await stores.messageIndex.indexNext());
      }
      const sweptUntil = async () =>
        (await sql<{ at: string }>(database, "select swept_until::text as at from grizz.message_terms_sweep"))[0]!.at
      await look()
      await database.session(async (session) => {
        await session.script("begin")
        const insert =
          "insert into public.messages (id, conversation_id, role, content) values ($2::uuid, $1::uuid, 'user', 'a badger')"
        await sql(session, insert, [slow.id, newId()])
        for (let turn = 0; turn < 4; turn++) {
          await quick.say("a parrot", "green")
          await look()
        }
        await session.script("commit")
      })
      await look()
      const count = async ({ id }: TestConversation) =>
        (await sql<{ count: number }>(database, countTerms, [id]))[0]!.count
      expect(await count(quick)).toBe(8)
      expect(await count(slow)).toBe(1)
      const before = await sweptUntil()
      await expect.poll(async () => (await look(), await sweptUntil()), { timeout: 20_000 }).not.toBe(before)
    } finally {
      await opened.close()
    }
  })

  test("two nodes that look at once index each message once", async () => {
    const opened = await server.open()
    const { database } = opened
    try {
      const stores = createStores(database, newId)
      const one = await TestConversation.create(stores)
      for (let turn = 0; turn < 300; turn++) await one.say("a badger", "grey")
      const node = async () => {
        while (await stores.messageIndex.indexNext());
      }
      await Promise.all([node(), node(), node()])
      await node()
      expect(await sql(database, countTerms, [one.id])).toEqual([{ count: 600 }])
    } finally {
      await opened.close()
    }
  }, 60_000)
})
