import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { migrate } from "../../src/db/migrate.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { createOldTables, OldEngine, oldSchemas } from "../support/database-adoption.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

const day = "2025-06-01"

describe.each(databaseKinds)("a Python engine's database on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("is adopted in place", () => {
    let opened: OpenDatabase
    let stores: Stores
    beforeAll(async () => {
      opened = await kind.openEmpty()
      stores = createStores(opened.database, newId)
    })
    afterAll(() => opened.close())

    const script = (text: string) => opened.database.session((session) => session.script(text))

    describe.each(oldSchemas)("$name", (schema) => {
      const old = new OldEngine(schema)
      const userId = newId()
      const [keeper, twin, empty] = [newId(), newId(), newId()]
      /** Ids ascend with time, except for the two of one instant. */
      const [first, tieA, tieB, last] = [newId(), ...[newId(), newId()].sort(), newId()] as [
        string,
        string,
        string,
        string,
      ]

      beforeEach(async () => {
        await createOldTables(opened.database, schema)
        const notNull = schema.convDay?.includes("not null") === true
        const conversation = { userId, day, zone: "Europe/Berlin" }
        const said = { conversationId: keeper, userId, role: "user" }
        await script(
          [
            old.conversation({ ...conversation, id: keeper, at: "2025-06-01T08:00:00" }),
            old.conversation({ ...conversation, id: twin, at: "2025-06-01T09:00:00" }),
            old.conversation({
              ...conversation,
              id: empty,
              day: notNull ? day : "2025-06-02",
              at: "2025-06-02T09:00:00",
            }),
            old.message({
              ...said,
              id: last,
              content: "the newest",
              role: "assistant",
              userId: null,
              at: "2025-06-01T12:00:00.25",
            }),
            old.message({ ...said, id: tieB, content: "tie b", at: "2025-06-01T10:00:00" }),
            old.message({ ...said, id: tieA, content: "tie a", at: "2025-06-01T10:00:00" }),
            old.message({ ...said, id: first, content: "the first", at: "2025-06-01T08:00:01" }),
            old.message({ ...said, id: newId(), conversationId: twin, content: "older", at: "2025-06-01T11:00:00" }),
          ].join("\n"),
        )
        await migrate(opened.database)
      })

      test("no row is lost, positions follow the times, and naive times are UTC", async () => {
        const messages = await stores.messages.page(userId, keeper, { limit: 10, superseded: false })
        expect(messages?.map(({ id, position }) => [id, position])).toEqual([
          [first, 0],
          [tieA, 1],
          [tieB, 2],
          [last, 3],
        ])
        expect(messages?.map(({ status }) => status)).toEqual(["sent", "sent", "sent", "completed"])
        expect(messages?.[0]).toMatchObject({
          createdAt: "2025-06-01T08:00:01.000000Z",
          metadata: { source: "python" },
        })
        const conversations = await stores.conversations.list(userId, { limit: 10 })
        expect(conversations.map(({ id, updatedAt }) => [id, updatedAt])).toEqual([
          [empty, "2025-06-02T09:00:00.000000Z"],
          [keeper, "2025-06-01T12:00:00.250000Z"],
          [twin, "2025-06-01T11:00:00.000000Z"],
        ])
        expect(conversations[1]).toMatchObject({
          createdAt: "2025-06-01T08:00:00.000000Z",
          title: schema.title === null ? null : `Chat ${day}`,
          timezone: schema.tz === null ? null : "Europe/Berlin",
        })
      })

      test("of two conversations for one day the one with the newest message keeps it", async () => {
        const today = await stores.conversations.today(userId, day, "UTC")
        const twinDay = (await stores.conversations.find(userId, twin))?.day
        expect(twinDay).toBeNull()
        if (schema.convDay === null) expect([keeper, twin, empty]).not.toContain(today.id)
        else expect(today.id).toBe(keeper)
      })

      test("a turn works in it, after what was there", async () => {
        const own = await TestConversation.create(stores, userId)
        await own.say("hello", "hi")
        const message = {
          userId,
          conversationId: keeper,
          messageId: newId(),
          content: "and now?",
          metadata: null,
          replyId: newId(),
        }
        const accepted = await stores.replies.accept(message, "node-a", 10, "enqueue")
        if (accepted.outcome !== "accepted" || accepted.job === null) throw new Error("not accepted")
        expect(accepted.message.position).toBe(4)
        expect(accepted.job.context.map(({ content }) => content)).toEqual([
          "the first",
          "tie a",
          "tie b",
          "the newest",
          "and now?",
        ])
        const ended = await stores.replies.end(accepted.job.reply, completed("now this"), "node-a", 10)
        expect(ended?.end.message.position).toBe(5)
        const created = await stores.conversations.today(userId, "2026-01-01", "Asia/Tokyo")
        expect(created).toMatchObject({ title: null, timezone: "Asia/Tokyo" })
        if (schema.tz !== null) {
          const tz = await sql<{ tz: string }>(
            opened.database,
            "select tz from public.conversations where id = $1::uuid",
            [created.id],
          )
          expect(tz).toEqual([{ tz: "Asia/Tokyo" }])
        }
      })

      test("the old engine's inserts still work, with and without its own times", async () => {
        const id = newId()
        await script(
          old.conversation({ id, userId, day: "2026-05-05", zone: "America/Lima", at: "2026-05-05T10:00:00" }),
        )
        const [asked, answered] = [newId(), newId()]
        const said = { conversationId: id, userId, role: "user", content: "from Python" }
        await script(
          old.message({ ...said, id: asked, at: "2026-05-05T10:00:01" }) +
            old.message({ ...said, id: answered, role: "assistant", userId: null }),
        )
        const conversation = await stores.conversations.find(userId, id)
        expect(conversation).toMatchObject({
          createdAt: "2026-05-05T10:00:00.000000Z",
          day: schema.convDay === null ? null : "2026-05-05",
          timezone: schema.tz === null ? null : "America/Lima",
        })
        expect(Math.abs(Date.parse(conversation!.updatedAt) - Date.now())).toBeLessThan(60_000)
        const messages = await stores.messages.page(userId, id, { limit: 5, superseded: false })
        expect(messages?.map(({ id, position }) => [id, position])).toEqual([
          [asked, 0],
          [answered, 1],
        ])
        expect(messages?.[0]?.createdAt).toBe("2026-05-05T10:00:01.000000Z")
        expect(Math.abs(Date.parse(messages![1]!.createdAt) - Date.now())).toBeLessThan(60_000)
      })

      test("its second conversation of a day is stored, without the day", async () => {
        const [one, two] = [newId(), newId()]
        for (const id of [one, two]) await script(old.conversation({ id, userId, day: "2026-07-07", zone: "UTC" }))
        const days = [await stores.conversations.find(userId, one), await stores.conversations.find(userId, two)]
        expect(days.map((found) => found?.day)).toEqual([schema.convDay === null ? null : "2026-07-07", null])
      })
    })
  })
})
