import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.each(databaseKinds)("conversation store on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("contract", () => {
    let opened: OpenDatabase
    let stores: Stores
    beforeAll(async () => {
      opened = await kind.open()
      stores = createStores(opened.database, newId)
    })
    afterAll(() => opened.close())

    test("50 parallel first calls of a day get one row", async () => {
      const userId = newId()
      const calls = Array.from({ length: 50 }, () => stores.conversations.today(userId, "2026-03-29", "Europe/Berlin"))
      const ids = new Set((await Promise.all(calls)).map(({ id }) => id))
      expect(ids.size).toBe(1)
      expect(await stores.conversations.list(userId, { limit: 200 })).toHaveLength(1)
    })

    test("a day is a conversation without a title, and the day comes back as it was given", async () => {
      const userId = newId()
      const first = await stores.conversations.today(userId, "2026-10-25", "Pacific/Kiritimati")
      expect(first).toMatchObject({ userId, title: null, day: "2026-10-25", timezone: "Pacific/Kiritimati" })
      expect(first.createdAt).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/)
      expect(Math.abs(Date.parse(first.createdAt) - Date.now())).toBeLessThan(60_000)
      const other = await stores.conversations.today(userId, "2026-10-26", "Pacific/Kiritimati")
      expect(other.id).not.toBe(first.id)
      expect(await stores.conversations.today(userId, "2026-10-25", "UTC")).toEqual(first)
    })

    test("a user may have many conversations outside the calendar", async () => {
      const userId = newId()
      const one = await stores.conversations.create(userId, "Bears 🐻")
      const two = await stores.conversations.create(userId, null)
      expect(one).toMatchObject({ title: "Bears 🐻", day: null, timezone: null })
      expect(two.id).not.toBe(one.id)
      expect(await stores.conversations.find(userId, one.id)).toEqual(one)
    })

    test("the list is newest first, and its pages neither skip nor repeat a row of the same microsecond", async () => {
      const userId = newId()
      const ids: string[] = []
      for (let index = 0; index < 7; index += 1) ids.push((await stores.conversations.create(userId, null)).id)
      const time = "2026-01-01T00:00:00.123456Z"
      await sql(
        opened.database,
        "update public.conversations set updated_at = $2::text::timestamptz where user_id = $1::uuid",
        [userId, time],
      )
      const seen: string[] = []
      let before: { updatedAt: string; id: string } | undefined
      for (;;) {
        const page = await stores.conversations.list(userId, { limit: 2, before })
        if (page.length === 0) break
        seen.push(...page.map(({ id }) => id))
        before = page.at(-1)
      }
      expect(before?.updatedAt).toBe(time)
      expect(seen).toEqual(ids.toSorted().toReversed())
    })

    test("the list leaves out on request, page by page, those in which nothing was said, also when they were renamed", async () => {
      const spoken = await TestConversation.create(stores)
      const { userId } = spoken
      const another = await TestConversation.create(stores, userId)
      const renamed = await stores.conversations.today(userId, "2026-11-30", "UTC")
      await stores.conversations.rename(userId, renamed.id, "Nothing yet")
      await spoken.start("hello")
      await another.start("hello again")
      const first = await stores.conversations.list(userId, { limit: 1, empty: false })
      const second = await stores.conversations.list(userId, { limit: 9, empty: false, before: first[0] })
      expect([...first, ...second].map(({ id }) => id)).toEqual([another.id, spoken.id])
      expect(await stores.conversations.list(userId, { limit: 9 })).toHaveLength(3)
    })

    test("a message brings its conversation to the front", async () => {
      const old = await TestConversation.create(stores)
      const recent = await stores.conversations.create(old.userId, null)
      await old.start("hello")
      const [first, second] = await stores.conversations.list(old.userId, { limit: 10 })
      expect([first?.id, second?.id]).toEqual([old.id, recent.id])
      expect(first!.updatedAt > recent.updatedAt).toBe(true)
    })

    test("renaming answers the new title, and a later time", async () => {
      const { id, userId, updatedAt } = await stores.conversations.create(newId(), "old")
      const renamed = await stores.conversations.rename(userId, id, "new")
      expect(renamed).toMatchObject({ id, title: "new" })
      expect(renamed!.updatedAt > updatedAt).toBe(true)
      expect(await stores.conversations.rename(userId, id, null)).toMatchObject({ title: null })
    })

    test("deleting takes messages and replies along, and answers whether there was one", async () => {
      const conversation = await TestConversation.create(stores)
      await conversation.start("hello")
      await conversation.enqueue("again")
      expect(await stores.conversations.delete(conversation.userId, conversation.id)).toBe(true)
      expect(await stores.conversations.delete(conversation.userId, conversation.id)).toBe(false)
      const left =
        "select id from public.messages where conversation_id = $1::uuid union all select id from grizz.replies where conversation_id = $1::uuid"
      expect(await sql(opened.database, left, [conversation.id])).toEqual([])
    })

    test("another user's conversation is as absent as a missing one", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("secret")
      const stranger = newId()
      for (const id of [conversation.id, newId()]) {
        expect(await stores.conversations.find(stranger, id)).toBeNull()
        expect(await stores.conversations.rename(stranger, id, "mine")).toBeNull()
        expect(await stores.conversations.delete(stranger, id)).toBe(false)
        expect(await stores.messages.page(stranger, id, { limit: 5, superseded: true })).toBeNull()
        const around = { messageId: reply.messageId, earlier: 5, later: 5, superseded: true }
        expect(await stores.messages.pageAround(stranger, id, around)).toBeNull()
        expect(await stores.replies.view(stranger, id, null)).toBeNull()
        expect(await stores.replies.view(stranger, id, { message: -1, reply: -1 })).toBeNull()
      }
      expect(await stores.conversations.list(stranger, { limit: 5 })).toEqual([])
      expect(await stores.conversations.find(conversation.userId, conversation.id)).toMatchObject({ title: null })
    })
  })
})
