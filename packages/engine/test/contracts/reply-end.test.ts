import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { databaseKinds, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.each(databaseKinds)("reply store, ending replies, on $name", (kind) => {
  describe.skipIf(kind.missing !== null)("contract", () => {
    let opened: OpenDatabase
    let stores: Stores
    beforeAll(async () => {
      opened = await kind.open()
      stores = createStores(opened.database, newId)
    })
    afterAll(() => opened.close())

    /** As if the owner had been silent for longer than its lease. */
    const loseLease = (replyId: string) =>
      sql(opened.database, "update grizz.replies set lease_until = now() - interval '1 second' where id = $1::uuid", [
        replyId,
      ])
    const expire = async ({ id }: TestConversation, owner = "node-b") => {
      const isLate = (await stores.replies.lateConversations()).includes(id)
      const taken = await stores.replies.takeOver(id, owner, 10, 1)
      expect(taken !== null).toBe(isLate)
      return taken
    }

    test("an end is a message at the reserved position, and says so", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("hello")
      const ended = await conversation.end(job, completed("hi there"))
      expect(ended).toMatchObject({
        end: {
          replyId: job.reply.id,
          attempt: 1,
          status: "completed",
          errorCode: null,
          usage: { inputTokens: 11, outputTokens: 7 },
          message: {
            id: job.reply.id,
            position: 1,
            role: "assistant",
            content: "hi there",
            metadata: null,
            status: "completed",
          },
        },
        next: null,
      })
      const page = await stores.messages.page(conversation.userId, conversation.id, { limit: 10, superseded: false })
      expect(page?.at(-1)).toEqual(ended?.end.message)
      const [row] = await sql(
        opened.database,
        "select text, model, lease_owner from grizz.replies where id = $1::uuid",
        [job.reply.id],
      )
      expect(row).toEqual({ text: "", model: "test-model", lease_owner: "node-a" })
    })

    test.each([
      { status: "stopped", errorCode: null },
      { status: "failed", errorCode: "model_timeout" },
    ] as const)("$status keeps the text so far", async ({ status, errorCode }) => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("hello")
      await conversation.end(job, { status, errorCode, text: "so f", usage: null, model: null, used: null })
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.messages.at(-1)).toMatchObject({ content: "so f", status })
      expect(view?.ends.get(job.reply.id)).toMatchObject({
        errorCode,
        usage: null,
        attempt: 1,
        messageId: job.reply.messageId,
      })
    })

    test("what a reply was made with is its metadata, also where its end is saved twice", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("hello")
      const used = { persona: "1", messages: 1, memories: [newId(), newId()], quotes: [newId()] }
      const outcome = { ...completed("hi"), used }
      const ended = await conversation.end(job, outcome)
      expect(ended?.end.message.metadata).toEqual({ context: used })
      expect(await conversation.end(job, { ...outcome, used: null })).toEqual(ended)
      const page = await stores.messages.page(conversation.userId, conversation.id, { limit: 10, superseded: false })
      expect(page?.at(-1)).toEqual(ended?.end.message)
    })

    test("the previous release's statement still ends a reply", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("hello")
      const end = `select grizz.end_reply($1::uuid, $2::uuid, 'node-a', 1, 'completed', 'hi', null, 1, 1, 'm',
        interval '15 seconds', 9) as ended`
      const [row] = await sql<{ ended: object }>(opened.database, end, [conversation.id, reply.id])
      expect(row?.ended).toMatchObject({ stored: null, next: null })
      expect(await conversation.history()).toEqual(["0 hello", "1 hi"])
    })

    test("a reply ends once, however often and by whomever it is tried", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("hello")
      const others = [
        stores.replies.end(job.reply, completed("not the owner"), "node-b", 10),
        stores.replies.end({ ...job.reply, attempt: 2 }, completed("not the attempt"), "node-a", 10),
      ]
      expect(await Promise.all(others)).toEqual([null, null])
      const tries = await Promise.all(
        Array.from({ length: 20 }, (_, index) => conversation.end(job, completed(`end ${index}`))),
      )
      // Each try gets what was saved, by whichever came first.
      expect(new Set(tries.map((ended) => JSON.stringify(ended))).size).toBe(1)
      expect(await conversation.history()).toHaveLength(2)
    })

    test("replies run one after another, in the order of their messages", async () => {
      const conversation = await TestConversation.create(stores)
      const first = await conversation.start("one")
      const second = await conversation.enqueue("two")
      const third = await conversation.enqueue("three")
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.queued).toEqual([second, third].map(({ replyId, messageId }) => ({ replyId, messageId })))
      const next = (await conversation.end(first, completed("1")))?.next
      expect(next?.reply).toMatchObject({ id: second.replyId, messageId: second.messageId, position: 3, attempt: 1 })
      // Not "three": it comes after the message that is answered.
      expect(next?.context.map((one) => one.content)).toEqual(["one", "1", "two"])
      const last = (await conversation.end(next!, completed("2")))?.next
      expect(last?.context.map((one) => one.content)).toEqual(["one", "1", "two", "2", "three"])
      expect((await conversation.end(last!, completed("3")))?.next).toBeNull()
      expect(await conversation.history()).toEqual(["0 one", "1 1", "2 two", "3 2", "4 three", "5 3"])
    })

    test("an end and 20 sends at the same moment leave exactly one reply running", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("first")
      const sends = Array.from({ length: 20 }, (_, index) => conversation.accept(`m${index}`))
      const [ended, ...accepted] = await Promise.all([conversation.end(job, completed("done")), ...sends])
      const jobs = accepted.flatMap((one) => (one.outcome === "accepted" && one.job !== null ? [one.job] : []))
      expect(jobs.length + (ended?.next == null ? 0 : 1)).toBe(1)
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.queued).toHaveLength(19)
      const times = view!.messages.map(({ createdAt }) => createdAt)
      expect(new Set(times).size).toBe(times.length)
      expect(view?.conversation.updatedAt).toBe(times.toSorted().at(-1))
    })

    test("a stop is durable: the heartbeat brings it, and a queued reply starts with it", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("one")
      const queued = await conversation.enqueue("two")
      expect(await stores.replies.requestStop(newId(), job.reply.id)).toBeNull()
      expect(await stores.replies.requestStop(conversation.userId, newId())).toBeNull()
      const held = [{ replyId: job.reply.id, attempt: 1, text: "" }]
      expect(await stores.replies.heartbeat("node-a", held)).toEqual({ stopped: [], lost: [] })
      expect(await stores.replies.requestStop(conversation.userId, job.reply.id)).toBe("requested")
      expect(await stores.replies.requestStop(conversation.userId, queued.replyId)).toBe("requested")
      expect(await stores.replies.heartbeat("node-a", held)).toEqual({ stopped: [job.reply.id], lost: [] })
      const ended = await conversation.end(job, { ...completed("st"), status: "stopped" })
      expect(ended?.next).toMatchObject({ reply: { id: queued.replyId }, stopRequested: true })
      expect(await stores.replies.requestStop(conversation.userId, job.reply.id)).toBe("ended")
    })

    test("a heartbeat renews only what is this owner's and this attempt's", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("one")
      await loseLease(reply.id)
      const held = { replyId: reply.id, attempt: 1, text: "not mine" }
      expect(await stores.replies.heartbeat("node-b", [held])).toEqual({ stopped: [], lost: [reply.id] })
      expect(await stores.replies.heartbeat("node-a", [{ ...held, attempt: 2 }])).toEqual({
        stopped: [],
        lost: [reply.id],
      })
      expect(await stores.replies.heartbeat("node-a", [{ ...held, text: "mine" }])).toEqual({ stopped: [], lost: [] })
      expect(await stores.replies.heartbeat("node-a", [])).toEqual({ stopped: [], lost: [] })
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.running?.text).toBe("mine")
      expect(await expire(conversation)).toBeNull()
    })

    test("a silent owner's reply ends as interrupted, as a new attempt with the text that was saved, and the next one starts", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("one")
      const queued = await conversation.enqueue("two")
      await stores.replies.heartbeat("node-a", [{ replyId: job.reply.id, attempt: 1, text: "half an ans" }])
      expect(await expire(conversation)).toBeNull()
      await loseLease(job.reply.id)
      const expired = await expire(conversation)
      expect(expired?.ended?.reply).toEqual({ ...job.reply, attempt: 2 })
      expect(expired?.ended?.end).toMatchObject({ status: "failed", errorCode: "interrupted", attempt: 2, usage: null })
      expect(expired?.ended?.end.message).toMatchObject({
        id: job.reply.id,
        position: 1,
        content: "half an ans",
        status: "failed",
      })
      expect(expired?.next?.reply).toMatchObject({ id: queued.replyId, attempt: 1 })
      expect(expired?.next?.context.map((one) => one.content)).toEqual(["one", "half an ans", "two"])
      const view = await stores.replies.view(conversation.userId, conversation.id, null)
      expect(view?.ends.get(job.reply.id)).toMatchObject({ attempt: 2, errorCode: "interrupted" })
      expect(view?.newest).toEqual({ message: 2, endedReply: 1, endedAttempt: 2 })
      // The owner wakes up: it can write nothing.
      expect(await conversation.end(job, completed("the whole answer"))).toBeNull()
      const held = [{ replyId: job.reply.id, attempt: 1, text: "the whole" }]
      expect(await stores.replies.heartbeat("node-a", held)).toEqual({ stopped: [], lost: [job.reply.id] })
      expect(await conversation.history()).toEqual(["0 one", "1 half an ans", "2 two"])
    })

    test("a silent owner's reply that was to be stopped ends as stopped", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("one")
      await stores.replies.requestStop(conversation.userId, reply.id)
      await loseLease(reply.id)
      const expired = await expire(conversation)
      expect(expired?.ended?.end).toMatchObject({ status: "stopped", errorCode: null, attempt: 2 })
    })

    test("a reply that waits behind none is started", async () => {
      const conversation = await TestConversation.create(stores)
      const { reply } = await conversation.start("one")
      const queued = await conversation.enqueue("two")
      await sql(opened.database, "delete from grizz.replies where id = $1::uuid", [reply.id])
      const expired = await expire(conversation)
      expect(expired).toMatchObject({ ended: null, next: { reply: { id: queued.replyId, attempt: 1 } } })
      expect(await expire(conversation, "node-c")).toBeNull()
    })

    test("ten sweeps at once end each reply once", async () => {
      const conversations = await Promise.all(Array.from({ length: 12 }, () => TestConversation.create(stores)))
      const jobs = await Promise.all(conversations.map((conversation) => conversation.start("hello")))
      await Promise.all(jobs.map(({ reply }) => loseLease(reply.id)))
      const mine = new Set(jobs.map(({ reply }) => reply.id))
      const sweep = () => Promise.all(conversations.map(({ id }) => stores.replies.takeOver(id, "node-b", 10, 1)))
      const sweeps = await Promise.all(Array.from({ length: 10 }, sweep))
      const ended = sweeps.flat().flatMap((one) => one?.ended?.reply.id ?? [])
      expect(ended.toSorted()).toEqual([...mine].sort())
    })

    test("a conversation that was deleted meanwhile loses the reply, and nothing is written", async () => {
      const conversation = await TestConversation.create(stores)
      const job = await conversation.start("one")
      await stores.conversations.delete(conversation.userId, conversation.id)
      expect(await conversation.end(job, completed("too late"))).toBeNull()
      const held = [{ replyId: job.reply.id, attempt: 1, text: "too l" }]
      expect(await stores.replies.heartbeat("node-a", held)).toEqual({ stopped: [], lost: [job.reply.id] })
    })
  })
})
