import * as fc from "fast-check"
import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import type { ReplyJob } from "../../src/ports.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

const limits = { quotes: 50, quoteLength: 100, totalLength: 10_000 }

describeDatabases("what is recollected for a reply", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const index = async () => {
    while (await stores.messageIndex.indexNext());
  }
  const recollect = ({ reply, message, context }: ReplyJob) =>
    stores.memories.recollect(
      { conversationId: reply.conversationId, position: message!.position, window: context.length },
      limits,
    )
  /** What is quoted for a message that is said now, with so many messages in the window. */
  async function quoted(conversation: TestConversation, content: string, window = 10) {
    const accepted = await conversation.accept(content, {}, window)
    if (accepted.outcome !== "accepted" || accepted.job === null) throw new Error("not started")
    const { quotes } = await recollect(accepted.job)
    await conversation.end(accepted.job, completed(""))
    return quotes
  }
  const textsOf = (quotes: { text: string }[]) => new Set(quotes.map(({ text }) => text))

  test("is what both said in another conversation, with the day in the zone of this one, and the memories", async () => {
    const userId = newId()
    const before = await stores.conversations.today(userId, "2026-03-01", "Europe/Berlin")
    const { message, reply } = await TestConversation.of(stores, userId, before.id).say(
      "My badger is Otto",
      "A badger!",
    )
    const at =
      "update public.messages set created_at = '2026-03-01T23:30:00.123456Z' where id = any ($1::text[]::uuid[])"
    await sql(database(), at, [[message!.id, reply.id]])
    await stores.memories.addNote(userId, { id: newId(), text: "Likes honey", isPinned: true })
    const now = await stores.conversations.today(userId, "2026-03-02", "Pacific/Kiritimati")
    const conversation = TestConversation.of(stores, userId, now.id)
    await index()
    const job = await conversation.start("What is the badger called?")
    await sql(database(), "update public.messages set created_at = '2026-03-02T12:00:00Z' where id = $1::uuid", [
      job.message!.id,
    ])
    const { memories, quotes, today } = await recollect(job)
    expect(today).toBe("2026-03-03")
    expect(memories).toMatchObject([{ kind: "note", text: "Likes honey" }])
    const quote = { day: "2026-03-02", createdAt: "2026-03-01T23:30:00.123456Z", score: expect.any(Number) }
    expect(quotes).toHaveLength(2)
    expect(quotes).toContainEqual({ ...quote, id: message!.id, role: "user", text: "My badger is Otto" })
    expect(quotes).toContainEqual({ ...quote, id: reply.id, role: "assistant", text: "A badger!" })
  })

  test("is nothing that the window has, nor the message itself, and what lies before the window", async () => {
    const conversation = await TestConversation.create(stores)
    for (const animal of ["badger", "otter", "heron"]) await conversation.say(`my ${animal}`, `a ${animal}, I see`)
    await index()
    expect(await quoted(conversation, "badger, otter or heron?", 7)).toEqual([])
    // Two questions, a heron, my heron, an otter: the window.
    const found = textsOf(await quoted(conversation, "badger, otter or heron?", 5))
    expect(found).toContain("my badger")
    expect(found).toContain("my otter")
    for (const text of found) expect(["my badger", "a badger, I see", "my otter"]).toContain(text)
  })

  test("counts to the window what the prompt has: no empty and no superseded reply", async () => {
    const conversation = await TestConversation.create(stores)
    await conversation.say("badger 1", "a badger, 1")
    const { reply } = await conversation.say("badger 2", "a badger, 2")
    await conversation.say("badger 3", "")
    const last = await conversation.say("badger 4", "a badger, 4")
    const retried = await stores.replies.retry(conversation.userId, last.reply.id, newId(), conversation.owner, 10)
    if (typeof retried === "string") throw new Error(retried)
    await conversation.end(retried.job!, completed("a badger, 4 again"))
    await index()
    // badger?, a badger 4 again, badger 4, badger 3, a badger 2: the window.
    const found = textsOf(await quoted(conversation, "badger?", 5))
    expect(found).toEqual(new Set(["badger 1", "a badger, 1", "badger 2"]))
    expect(reply.position).toBe(3)
  })

  test("is as long as it may be, and no longer", async () => {
    const before = await TestConversation.create(stores)
    await before.say(`badger ${"🐻".repeat(200)}`, "I see.")
    await index()
    const [quote] = await quoted(await TestConversation.create(stores, before.userId), "badger?")
    expect(quote!.text).toBe(`badger ${"🐻".repeat(93)}`)
  })

  test("is nothing of a zone's making: one that there is none of is UTC", async () => {
    const userId = newId()
    const before = await TestConversation.create(stores, userId)
    await before.say("my badger", "I see.")
    const { id } = await stores.conversations.today(userId, "2026-03-02", "No/Such zone")
    await index()
    const quotes = await quoted(TestConversation.of(stores, userId, id), "badger?")
    expect(textsOf(quotes)).toContain("my badger")
    for (const { day, createdAt } of quotes) expect(day).toBe(createdAt.slice(0, 10))
  })

  test("is nothing while the memory is paused, and nothing of what was erased", async () => {
    const before = await TestConversation.create(stores)
    const { message } = await before.say("my badger", "I see.")
    const now = await TestConversation.create(stores, before.userId)
    await index()
    await stores.memories.setPaused(before.userId, true)
    expect(await quoted(now, "badger?")).toEqual([])
    await stores.memories.setPaused(before.userId, false)
    expect(textsOf(await quoted(now, "badger?"))).toContain("my badger")
    await stores.replies.erase(before.userId, before.id, message!.id)
    expect(await quoted(now, "badger?")).toEqual([])
  })

  test("is nothing where the message was erased meanwhile", async () => {
    const before = await TestConversation.create(stores)
    await before.say("my badger", "I see.")
    await index()
    const now = await TestConversation.create(stores, before.userId)
    const job = await now.start("badger?")
    await stores.replies.erase(now.userId, now.id, job.message!.id)
    expect(await recollect(job)).toEqual({ memories: [], quotes: [], today: null })
  })

  test("is never another user's, whatever is said", async () => {
    const words = ["badger", "honey", "river", "cake"]
    const users = [await TestConversation.create(stores), await TestConversation.create(stores)]
    for (const [at, user] of users.entries()) await user.say(`user${at} ${words.join(" ")}`, `to user${at}`)
    await index()
    const now = await Promise.all(users.map(({ userId }) => TestConversation.create(stores, userId)))
    const text = fc.array(fc.oneof(fc.constantFrom(...words, "user0", "user1"), fc.string()), { minLength: 1 })
    const found: string[] = []
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(0, 1), async (parts, at) => {
        const quotes = await quoted(now[at]!, parts.join(" ").replaceAll("\0", "") || "badger")
        found.push(...quotes.map((quote) => quote.text))
        expect(quotes.filter((quote) => quote.text.includes(`user${1 - at}`))).toEqual([])
      }),
      { numRuns: 40 },
    )
    expect(found).not.toEqual([])
  })
})
