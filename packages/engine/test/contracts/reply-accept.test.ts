import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.each(databaseKinds)("reply store, accepting a message, on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("contract", () => {
    let opened: OpenDatabase
    let stores: Stores
    beforeAll(async () => {
      opened = await kind.open()
      stores = createStores(opened.database, newId)
    })
    afterAll(() => opened.close())

    const outcomes = (accepted: { outcome: string }[]) => accepted.map(({ outcome }) => outcome).sort()

    test("the first message is accepted with its reply to be produced now", async () => {
      const conversation = await TestConversation.create(stores)
      const [messageId, replyId] = [newId(), newId()]
      const metadata = { device: "phone", nested: { list: [1, "zwei", null] } }
      const message = {
        userId: conversation.userId,
        conversationId: conversation.id,
        messageId,
        content: "Hi",
        metadata,
        replyId,
      }
      const accepted = await stores.replies.accept(message, "node-a", 10, "enqueue")
      expect(accepted).toMatchObject({
        outcome: "accepted",
        replyId,
        message: {
          id: messageId,
          conversationId: conversation.id,
          position: 0,
          role: "user",
          content: "Hi",
          metadata,
          status: "sent",
        },
        job: {
          reply: { id: replyId, conversationId: conversation.id, messageId, position: 1, attempt: 1 },
          context: [{ role: "user", content: "Hi" }],
          recollects: false,
          stopRequested: false,
        },
      })
      const [stored] = (await stores.messages.page(conversation.userId, conversation.id, {
        limit: 1,
        superseded: false,
      }))!
      expect(stored).toEqual(accepted.outcome === "accepted" && accepted.message)
    })

    test("50 parallel sends of one id are one row, one reply, one job", async () => {
      const conversation = await TestConversation.create(stores)
      const messageId = newId()
      const sends = await Promise.all(Array.from({ length: 50 }, () => conversation.accept("once", { messageId })))
      expect(outcomes(sends)).toEqual(["accepted", ...Array<string>(49).fill("repeat")])
      expect(new Set(sends.map((sent) => "replyId" in sent && sent.replyId)).size).toBe(1)
      expect(
        await sql(opened.database, "select id from grizz.replies where message_id = $1::uuid", [messageId]),
      ).toHaveLength(1)
      expect(await conversation.history()).toEqual(["0 once"])
    })

    test("30 parallel messages get positions without a tie or gap, and one of them runs", async () => {
      const conversation = await TestConversation.create(stores)
      const sends = await Promise.all(Array.from({ length: 30 }, (_, index) => conversation.accept(`message ${index}`)))
      const accepted = sends.flatMap((sent) => (sent.outcome === "accepted" ? [sent] : []))
      const positions = accepted.map(({ message }) => message.position).sort((a, b) => a - b)
      expect(positions).toEqual(Array.from({ length: 30 }, (_, index) => index * 2))
      expect(accepted.filter(({ job }) => job !== null)).toHaveLength(1)
      const times = accepted
        .toSorted((a, b) => a.message.position - b.message.position)
        .map(({ message }) => message.createdAt)
      expect(times).toEqual(times.toSorted())
      expect(new Set(times).size).toBe(30)
    })

    test("one id sent to 20 conversations at once is accepted by one, a conflict for the others", async () => {
      const userId = newId()
      const conversations = await Promise.all(Array.from({ length: 20 }, () => TestConversation.create(stores, userId)))
      const messageId = newId()
      const sends = await Promise.all(conversations.map((conversation) => conversation.accept("same", { messageId })))
      expect(outcomes(sends)).toEqual(["accepted", ...Array<string>(19).fill("conflict")])
    })

    test("a repeat is answered also after the reply's end, with the reply it has", async () => {
      const conversation = await TestConversation.create(stores)
      const messageId = newId()
      const replyId = newId()
      const first = await conversation.accept("hello", { messageId, replyId })
      if (first.outcome !== "accepted" || first.job === null) throw new Error("not accepted")
      await conversation.end(first.job, completed("hi"))
      expect(await conversation.accept("hello", { messageId })).toEqual({
        outcome: "repeat",
        messageId,
        replyId,
        message: first.message,
        job: null,
      })
      expect(await conversation.history()).toEqual(["0 hello", "1 hi"])
    })

    test("the same id with other content, or in use anywhere else, is a conflict and writes nothing", async () => {
      const conversation = await TestConversation.create(stores)
      const other = await TestConversation.create(stores)
      const messageId = newId()
      const replyId = newId()
      const first = await conversation.accept("hello", { messageId, replyId })
      if (first.outcome !== "accepted" || first.job === null) throw new Error("not accepted")
      expect(await conversation.accept("hello!", { messageId })).toEqual({ outcome: "conflict" })
      expect(await other.accept("hello", { messageId })).toEqual({ outcome: "conflict" })
      expect(await conversation.accept("hello", { messageId: replyId })).toEqual({ outcome: "conflict" })
      await conversation.end(first.job, completed("hi"))
      expect(await conversation.accept("hi", { messageId: replyId })).toEqual({ outcome: "conflict" })
      expect(await other.history()).toEqual([])
    })

    test("a conversation that is missing or someone else's is not found, also for an id that exists", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("hello")
      const stranger = { userId: newId(), messageId: newId(), content: "hello", metadata: null, replyId: newId() }
      for (const conversationId of [conversation.id, newId()]) {
        for (const messageId of [newId(), reply.messageId]) {
          expect(
            await stores.replies.accept({ ...stranger, conversationId, messageId }, "node-a", 10, "enqueue"),
          ).toEqual({
            outcome: "not_found",
          })
        }
      }
    })

    test("the context is the newest messages, the new one counted in, without empty and superseded ones", async () => {
      const conversation = await TestConversation.create(stores)
      await conversation.say("one", "first")
      const { reply: empty } = await conversation.say("two", "")
      const { reply: superseded } = await conversation.say("three", "a bad answer")
      await sql(opened.database, "update grizz.replies set superseded_by = $2::uuid where id = $1::uuid", [
        superseded.id,
        newId(),
      ])
      await sql(
        opened.database,
        "insert into public.messages (id, conversation_id, role, content) values ($1::uuid, $2::uuid, 'system', 'from an older engine')",
        [newId(), conversation.id],
      )
      const { context } = await conversation.start("four")
      expect(context.map(({ content }) => content)).toEqual(["one", "first", "two", "three", "four"])
      expect(context.map(({ role }) => role)).toEqual(["user", "assistant", "user", "user", "user"])
      expect(await conversation.history()).not.toContain("5 a bad answer")
      expect(await conversation.history(true)).toContain("5 a bad answer")
      expect(empty.position).toBe(3)
    })

    test("contextMessages bounds the context", async () => {
      const conversation = await TestConversation.create(stores)
      for (let turn = 0; turn < 4; turn += 1) await conversation.say(`q${turn}`, `a${turn}`)
      const accepted = await conversation.accept("last", {}, 4)
      const job = accepted.outcome === "accepted" ? accepted.job : null
      expect(job?.context.map(({ content }) => content)).toEqual(["a2", "q3", "a3", "last"])
      await conversation.end(job!, completed("done"))
      const alone = await conversation.accept("alone", {}, 1)
      expect(alone).toMatchObject({ job: { context: [{ role: "user", content: "alone" }] } })
    })

    test("text and metadata come back byte for byte", async () => {
      const conversation = await TestConversation.create(stores)
      const text =
        "\u{1F43B}\u200d\u{1F469}\u0301 \\ \\u0000 \"'$1 %s \r\n\t\u0001\u007f\u2028 {a,b} NULL ' || 'x \uFFFD\uE000"
      const job = await conversation.start(text)
      expect(job.context.at(-1)?.content).toBe(text)
      const reply = { replyId: job.reply.id, attempt: 1, text }
      await stores.replies.heartbeat("node-a", [reply])
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.running?.text).toBe(text)
      const ended = await conversation.end(job, completed(text))
      expect(ended?.end.message.content).toBe(text)
      const page = await stores.messages.page(conversation.userId, conversation.id, { limit: 2, superseded: false })
      expect(page?.map(({ content }) => content)).toEqual([text, text])
    })
  })
})
