import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.each(databaseKinds)("history and view on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("contract", () => {
    let opened: OpenDatabase
    let stores: Stores
    beforeAll(async () => {
      opened = await kind.open()
      stores = createStores(opened.database, newId)
    })
    afterAll(() => opened.close())

    test("pages go from the newest back, each ascending, without a gap", async () => {
      const conversation = await TestConversation.create(stores)
      for (let turn = 0; turn < 5; turn += 1) await conversation.say(`q${turn}`, `a${turn}`)
      const pages: number[][] = []
      let before: number | undefined
      for (;;) {
        const page = await stores.messages.page(conversation.userId, conversation.id, {
          limit: 4,
          before,
          superseded: false,
        })
        if (page === null || page.length === 0) break
        pages.push(page.map(({ position }) => position))
        before = page[0]!.position
      }
      expect(pages).toEqual([
        [6, 7, 8, 9],
        [2, 3, 4, 5],
        [0, 1],
      ])
    })

    test("a page around a message has what stands before and after it, as far as there is anything, and no other's", async () => {
      const conversation = await TestConversation.create(stores)
      for (let turn = 0; turn < 5; turn += 1) await conversation.say(`q${turn}`, `a${turn}`)
      const { userId, id } = conversation
      const all = (await stores.messages.page(userId, id, { limit: 20, superseded: false }))!.map((one) => one.id)
      const around = async (position: number, sizes: { earlier: number; later: number }) => {
        const request = { messageId: all[position]!, superseded: false, ...sizes }
        return (await stores.messages.pageAround(userId, id, request))?.map((message) => message.position)
      }
      expect(await around(5, { earlier: 2, later: 3 })).toEqual([3, 4, 5, 6, 7])
      expect(await around(0, { earlier: 2, later: 2 })).toEqual([0, 1])
      expect(await around(9, { earlier: 1, later: 5 })).toEqual([8, 9])
      const other = await TestConversation.create(stores, userId)
      const request = { messageId: all[0]!, earlier: 1, later: 1, superseded: false }
      expect(await stores.messages.pageAround(userId, other.id, request)).toBeNull()
    })

    test("an empty conversation has an empty page and an empty view", async () => {
      const conversation = await TestConversation.create(stores)
      expect(await conversation.history()).toEqual([])
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view).toMatchObject({
        messages: [],
        running: null,
        queued: [],
        newest: { message: -1, endedReply: -1, endedAttempt: 0 },
      })
      expect(view?.ends.size).toBe(0)
      expect(view?.conversation).toEqual(await stores.conversations.find(conversation.userId, conversation.id))
    })

    test("a view of the newest page holds 50 messages, without superseded replies", async () => {
      const conversation = await TestConversation.create(stores)
      for (let turn = 0; turn < 27; turn += 1) await conversation.say(`q${turn}`, `a${turn}`)
      const { reply } = await conversation.say("again", "superseded")
      await sql(opened.database, "update grizz.replies set superseded_by = $2::uuid where id = $1::uuid", [
        reply.id,
        newId(),
      ])
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.messages.map(({ position }) => position)).toEqual(
        Array.from({ length: 50 }, (_, index) => index + 5),
      )
      expect(view?.newest).toEqual({ message: 54, endedReply: 55, endedAttempt: 1 })
    })

    test("a view after a cursor holds what came since: messages above, ended replies from the cursor's on", async () => {
      const conversation = await TestConversation.create(stores)
      await conversation.say("q0", "a0")
      const second = await conversation.start("q1")
      await conversation.enqueue("q2")
      const third = (await conversation.end(second, completed("a1")))?.next
      await stores.replies.heartbeat("node-a", [{ replyId: third!.reply.id, attempt: 1, text: "a2 so far" }])
      const queued = await conversation.enqueue("q3")
      const after = (message: number, reply: number) =>
        stores.replies.view(conversation.userId, conversation.id, { message, reply })
      const contents = async (message: number, reply: number) =>
        (await after(message, reply))?.messages.map(({ content }) => content)

      expect(await contents(-1, -1)).toEqual(["q0", "a0", "q1", "a1", "q2", "q3"])
      expect(await contents(2, 1)).toEqual(["a0", "a1", "q2", "q3"])
      // The cursor knows the later messages but is still inside the earlier reply.
      expect(await contents(6, 3)).toEqual(["a1"])
      expect(await contents(6, 5)).toEqual([])
      const view = await after(6, 3)
      expect(view?.running).toEqual({ ...third?.reply, text: "a2 so far" })
      expect(view?.queued).toEqual([{ replyId: queued.replyId, messageId: queued.messageId }])
      expect(view?.newest).toEqual({ message: 6, endedReply: 3, endedAttempt: 1 })
      expect(view?.ends.get(second.reply.id)).toMatchObject({
        messageId: second.reply.messageId,
        endedAt: view?.messages[0]?.createdAt,
      })
    })

    test("a cursor more than 500 messages back shows by 501 of them", async () => {
      const conversation = await TestConversation.create(stores)
      const fill = `insert into public.messages (id, conversation_id, user_id, role, content, position)
        select gen_random_uuid(), $1::uuid, $2::uuid, 'user', 'm' || n, n from generate_series(0, 500) n`
      await sql(opened.database, fill, [conversation.id, conversation.userId])
      const view = async (message: number) =>
        stores.replies.view(conversation.userId, conversation.id, { message, reply: -1 })
      expect((await view(-1))?.messages).toHaveLength(501)
      expect((await view(0))?.messages).toHaveLength(500)
    })

    test("what an older engine stored is shown as sent and completed", async () => {
      const conversation = await TestConversation.create(stores)
      const insert =
        "insert into public.messages (id, conversation_id, role, content) values ($1::uuid, $2::uuid, $3, $4)"
      await sql(opened.database, insert, [newId(), conversation.id, "user", "hello"])
      await sql(opened.database, insert, [newId(), conversation.id, "assistant", "hi"])
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.messages.map(({ status, position }) => [position, status])).toEqual([
        [0, "sent"],
        [1, "completed"],
      ])
      expect(view?.ends.size).toBe(0)
      expect(view?.newest).toEqual({ message: 0, endedReply: 1, endedAttempt: 1 })
    })
  })
})
