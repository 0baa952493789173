import { expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("reply store, taking over, retrying and erasing", (database) => {
  const open = (): Stores => createStores(database(), newId)

  /** As if the owner had been silent for longer than its lease. */
  const loseLease = (replyId: string) =>
    sql(database(), "update grizz.replies set lease_until = now() - interval '1 second' where id = $1::uuid", [replyId])

  async function takeOver(stores: Stores, { id }: TestConversation, maxCalls = 2, owner = "node-b") {
    const isLate = (await stores.replies.lateConversations()).includes(id)
    const taken = await stores.replies.takeOver(id, owner, 10, maxCalls)
    expect(taken !== null).toBe(isLate)
    return taken
  }

  test("a silent owner's reply goes on elsewhere as the next attempt, from an empty text, and the late owner writes nothing", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    await conversation.say("one", "eins")
    const job = await conversation.start("two")
    await stores.replies.heartbeat("node-a", [{ replyId: job.reply.id, attempt: 1, text: "half" }])
    await loseLease(job.reply.id)
    const taken = await takeOver(stores, conversation)
    expect(taken).toMatchObject({ ended: null, next: { reply: { ...job.reply, attempt: 2 }, stopRequested: false } })
    expect(taken?.next?.context).toEqual(job.context)
    expect(taken?.next?.message).toEqual(job.message)
    // Its owner may not have heard the answer; nobody else gets it.
    expect(await stores.replies.takeOver(conversation.id, "node-b", 10, 2)).toEqual(taken)
    expect(await takeOver(stores, conversation, 2, "node-c")).toBeNull()
    const view = await stores.replies.view(conversation.userId, conversation.id, null)
    expect(view?.running).toMatchObject({ attempt: 2, text: "" })
    expect(await conversation.end(job, completed("late"))).toBeNull()
    const held = [{ replyId: job.reply.id, attempt: 1, text: "late" }]
    expect(await stores.replies.heartbeat("node-a", held)).toEqual({ stopped: [], lost: [job.reply.id] })
    const end = await stores.replies.end(taken!.next!.reply, completed("zwei"), "node-b", 10)
    expect(end?.end).toMatchObject({ attempt: 2, status: "completed", message: { content: "zwei", position: 3 } })
  })

  test("when its model calls are used up it fails with the text that was saved", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("one")
    await loseLease(job.reply.id)
    await takeOver(stores, conversation)
    await stores.replies.heartbeat("node-b", [{ replyId: job.reply.id, attempt: 2, text: "so far" }])
    await loseLease(job.reply.id)
    const taken = await takeOver(stores, conversation, 2, "node-c")
    expect(taken?.ended?.end).toMatchObject({
      attempt: 3,
      status: "failed",
      errorCode: "interrupted",
      message: { content: "so far" },
    })
  })

  test("a reply that was handed over is taken at once, and the call made for it does not count", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("one")
    for (const [attempt, owner, next] of [
      [1, "node-a", "node-b"],
      [2, "node-b", "node-a"],
      [3, "node-a", "node-b"],
    ] as const) {
      await stores.replies.handOver(owner, [{ replyId: job.reply.id, attempt, text: "some" }])
      const taken = await takeOver(stores, conversation, 2, next)
      expect(taken?.next?.reply).toMatchObject({ id: job.reply.id, attempt: attempt + 1 })
    }
    const [row] = await sql(database(), "select calls from grizz.replies where id = $1::uuid", [job.reply.id])
    expect(row).toEqual({ calls: 1 })
    await stores.replies.handOver("node-a", [{ replyId: job.reply.id, attempt: 4, text: "not mine" }])
    expect(await takeOver(stores, conversation, 2, "node-c")).toBeNull()
  })

  test("an owner that saves the same end again gets the same answer, with the next reply it started", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("one")
    const queued = await conversation.enqueue("two")
    const first = await conversation.end(job, completed("eins"))
    expect(await conversation.end(job, completed("eins"))).toEqual(first)
    expect(first?.next?.reply.id).toBe(queued.replyId)
    expect(await conversation.history()).toEqual(["0 one", "1 eins", "2 two"])
    expect(await stores.replies.end(job.reply, completed("eins"), "node-b", 10)).toBeNull()
  })

  test("an owner that accepts the same message again gets its reply; another owner does not", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const ids = { messageId: newId(), replyId: newId() }
    const first = await conversation.accept("one", ids)
    if (first.outcome !== "accepted") throw new Error("not accepted")
    const again = await conversation.accept("one", { ...ids, replyId: newId() })
    expect(again).toEqual({
      outcome: "repeat",
      messageId: ids.messageId,
      replyId: ids.replyId,
      message: first.message,
      job: first.job,
    })
    const elsewhere = {
      userId: conversation.userId,
      conversationId: conversation.id,
      content: "one",
      metadata: null,
      ...ids,
    }
    expect(await stores.replies.accept(elsewhere, "node-b", 10, "enqueue")).toMatchObject({
      outcome: "repeat",
      job: null,
    })
  })

  test("a send meanwhile is refused, or interrupts, where that is the policy", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const job = await conversation.start("one")
    const queued = await conversation.enqueue("two")
    expect(await conversation.accept("three", {}, 10, "reject")).toEqual({ outcome: "in_progress" })
    // A repeat is answered before any limit.
    expect(await conversation.accept("two", { messageId: queued.messageId }, 10, "reject")).toMatchObject({
      outcome: "repeat",
    })
    const accepted = await conversation.accept("three", {}, 10, "interrupt")
    expect(accepted).toMatchObject({ outcome: "accepted", job: null })
    if (accepted.outcome !== "accepted") throw new Error("not accepted")
    expect(accepted.interrupted.toSorted()).toEqual([job.reply.id, queued.replyId].sort())
    const end = await conversation.end(job, { ...completed("ei"), status: "stopped" })
    expect(end?.next).toMatchObject({ reply: { id: queued.replyId }, stopRequested: true })
  })

  test("a retry is a new reply to the same message, with what came before it, and supersedes the old one", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    await conversation.say("one", "eins")
    const old = await conversation.say("two", "a bad answer")
    const newReplyId = newId()
    const retry = (owner: string) => stores.replies.retry(conversation.userId, old.reply.id, newReplyId, owner, 10)
    const retried = await retry("node-a")
    if (typeof retried === "string" || retried.job === null) throw new Error("not retried")
    const { job } = retried
    // The answer may get lost.
    expect(await retry("node-a")).toEqual(retried)
    expect(await retry("node-b")).toEqual({ ...retried, job: null })
    expect(job).toMatchObject({
      reply: { messageId: old.reply.messageId, position: 4, attempt: 1 },
      message: old.message,
    })
    expect(job.context.map((one) => one.content)).toEqual(["one", "eins", "two"])
    expect(await conversation.history()).toEqual(["0 one", "1 eins", "2 two"])
    await conversation.end(job, completed("zwei"))
    expect(await conversation.history()).toEqual(["0 one", "1 eins", "2 two", "4 zwei"])
    expect(await conversation.history(true)).toEqual(["0 one", "1 eins", "2 two", "3 a bad answer", "4 zwei"])
    const third = await conversation.start("three")
    expect(third.context.map((one) => one.content)).toEqual(["one", "eins", "two", "zwei", "three"])
  })

  test("only the newest reply can be retried, once it has ended, by its user", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const first = await conversation.say("one", "eins")
    expect(await stores.replies.conversationOf(conversation.userId, first.reply.id)).toBe(conversation.id)
    expect(await stores.replies.conversationOf(newId(), first.reply.id)).toBeNull()
    const second = await conversation.start("two")
    const retry = (replyId: string, userId = conversation.userId) =>
      stores.replies.retry(userId, replyId, newId(), "node-a", 10)
    expect(await retry(first.reply.id)).toBe("conflict")
    expect(await retry(second.reply.id)).toBe("conflict")
    expect(await retry(newId())).toBe("not_found")
    expect(await retry(first.reply.id, newId())).toBe("not_found")
    await conversation.end(second, completed("zwei"))
    const tries = await Promise.all(Array.from({ length: 10 }, () => retry(second.reply.id)))
    expect(tries.filter((one) => typeof one !== "string")).toHaveLength(1)
  })

  test("an erased message is nowhere, its id stays used, and what still answers it is asked to stop", async () => {
    const stores = open()
    const conversation = await TestConversation.create(stores)
    const first = await conversation.say("my secret", "eins")
    const second = await conversation.start("another secret")
    const queued = await conversation.enqueue("three")
    const erase = (messageId: string, userId = conversation.userId) =>
      stores.replies.erase(userId, conversation.id, messageId)
    expect(await erase(first.reply.messageId, newId())).toBeNull()
    expect(await erase(newId())).toBeNull()
    expect(await erase(first.reply.messageId)).toEqual({ count: 1, stopped: [] })
    expect(await erase(first.reply.id)).toEqual({ count: 2, stopped: [] })
    expect(await erase(second.reply.messageId)).toEqual({ count: 3, stopped: [second.reply.id] })
    expect(await erase(first.reply.messageId)).toBeNull()
    for (const secret of ["my secret", "another secret"]) {
      const rows = await sql(
        database(),
        "select 1 as found from public.messages where content = $1 and conversation_id = $2::uuid",
        [secret, conversation.id],
      )
      expect(rows).toEqual([])
    }
    expect(await conversation.accept("my secret", { messageId: first.reply.messageId })).toEqual({
      outcome: "repeat",
      messageId: first.reply.messageId,
      replyId: first.reply.id,
      message: null,
      job: null,
    })
    expect(
      (await stores.replies.heartbeat("node-a", [{ replyId: second.reply.id, attempt: 1, text: "" }])).stopped,
    ).toEqual([second.reply.id])
    const end = await conversation.end(second, { ...completed(""), status: "stopped" })
    expect(end?.next?.reply.id).toBe(queued.replyId)
    expect(await conversation.history()).toEqual(["3 ", "4 three"])
    // The place of what was erased stays empty.
    await conversation.end(end!.next!, completed("drei"))
    expect((await conversation.start("four")).reply.position).toBe(7)
  })
})
