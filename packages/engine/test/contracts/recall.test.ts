import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("recall", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const index = async () => {
    while (await stores.messageIndex.indexNext());
  }
  const recall = async (userId: string, text: string, conversationId: string | null = null, before = 0, limit = 10) => {
    const query = `select r.content from grizz.recall(
        $1::uuid, $2, $3::uuid, $4::integer, clock_timestamp(), 'Europe/Berlin', $5::integer) r`
    const rows = await sql<{ content: string }>(database(), query, [userId, text, conversationId, before, limit])
    return rows.map(({ content }) => content)
  }

  test("finds what the user and the companion said, in any conversation, the rarest word first", async () => {
    const one = await TestConversation.create(stores)
    const other = await TestConversation.create(stores, one.userId)
    await one.say("I adopted a badger", "How sweet")
    await other.say("What do badgers eat?", "A badger called Otto eats honey")
    await index()
    const found = await recall(one.userId, "does the badger like honey")
    expect(found[0]).toBe("A badger called Otto eats honey")
    expect(found).toHaveLength(3)
    expect(await recall(one.userId, "the badger and honey", null, 0, 1)).toHaveLength(1)
  })

  test("finds nothing of another user, whose conversation is named or not", async () => {
    const [mine, theirs] = [await TestConversation.create(stores), await TestConversation.create(stores)]
    await theirs.say("my secret is a canary", "a canary, I see")
    await mine.say("hello", "hello")
    await index()
    expect(await recall(mine.userId, "canary secret")).toEqual([])
    expect(await recall(mine.userId, "canary secret", theirs.id, 100)).toEqual([])
    expect(await recall(theirs.userId, "canary secret")).toHaveLength(2)
  })

  test("leaves out what the window holds: the conversation from a position on", async () => {
    const one = await TestConversation.create(stores)
    const other = await TestConversation.create(stores, one.userId)
    await one.say("a badger", "a grey badger")
    await one.say("the badger again", "that badger")
    await other.say("another badger", "yet another badger")
    await index()
    const found = await recall(one.userId, "badger", one.id, 1)
    expect(new Set(found)).toEqual(new Set(["a badger", "another badger", "yet another badger"]))
  })

  test("gives neither an erased message, nor the text that one had before, nor a reply that was replaced", async () => {
    const one = await TestConversation.create(stores)
    const { reply } = await one.say("a canary", "a parrot")
    const again = await one.say("a heron", "a stork")
    await index()
    await stores.replies.erase(one.userId, one.id, reply.messageId)
    await sql(database(), "update public.messages set content = 'a raven' where id = $1::uuid", [reply.id])
    const retried = await stores.replies.retry(one.userId, again.reply.id, newId(), one.owner, 10)
    if (typeof retried === "string") throw new Error(`not retried: ${retried}`)
    await one.end(retried.job!, completed("a stork, better told"))
    await index()
    expect(await recall(one.userId, "canary parrot raven stork")).toEqual(["a raven", "a stork, better told"])
  })

  test("gives no empty message", async () => {
    const one = await TestConversation.create(stores)
    const job = await one.start("a badger")
    await one.end(job, { ...completed(""), status: "stopped" })
    await index()
    expect(await recall(one.userId, "badger")).toEqual(["a badger"])
  })

  test.each([
    ["one letter 10,000 times", "a".repeat(10_000)],
    ["only stop words", "the and of to is"],
    ["only emoji", "🍯🐻🍯"],
    ["Chinese without spaces", "熊猫喜欢吃竹子".repeat(2000)],
    ["the syntax of text search", "& | ! :* ' \\ <-> badger:*"],
    [
      "32,000 characters",
      Array.from({ length: 6400 }, (_, at) => `w${at}`)
        .join(" ")
        .slice(0, 32_000),
    ],
    ["nothing", ""],
  ])("takes as a question %s", async (_, text) => {
    const one = await TestConversation.create(stores)
    await one.say(text, "yes")
    await one.say("a badger", "yes")
    await index()
    expect(Array.isArray(await recall(one.userId, text))).toBe(true)
  })
})
