import * as fc from "fast-check"
import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("recall store", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const recall = async (conversationId: string, text: string, inContext = 0) => {
    const quotes = await stores.recall.recall({ conversationId, text, inContext, limit: 50 })
    return quotes.map(({ content }) => content)
  }
  const wordsOf = async (text: string) => (await sql(database(), "select grizz.words_of($1)", [text])).length

  test("finds what was said in another conversation, by both, by its stem, with the answer beside it", async () => {
    const before = await TestConversation.create(stores)
    await before.say("I adopted a badger", "What is it called?")
    const now = await TestConversation.create(stores, before.userId)
    expect(await recall(now.id, "tell me about badgers")).toEqual(["I adopted a badger", "What is it called?"])
  })

  test("finds nothing where nothing rare is asked", async () => {
    const before = await TestConversation.create(stores)
    await before.say("I adopted a badger", "And you are it?")
    expect(await recall(before.id, "is it the and you")).toEqual([])
  })

  test("leaves out what is in the context already", async () => {
    const one = await TestConversation.create(stores)
    await one.say("A badger came", "Nice")
    await one.say("A badger went", "Sad")
    expect(await recall(one.id, "badger", 4)).toEqual([])
    expect(await recall(one.id, "badger", 2)).toEqual(["A badger came", "Nice"])
  })

  test("finds Chinese and Japanese without spaces", async () => {
    const before = await TestConversation.create(stores)
    await before.say("我昨天去了动物园看熊猫", "好")
    expect(await recall((await TestConversation.create(stores, before.userId)).id, "熊猫怎么样")).toHaveLength(2)
  })

  test("never finds what another user said, whatever is asked", async () => {
    const words = ["badger", "honey", "river", "cake"]
    const users = [await TestConversation.create(stores), await TestConversation.create(stores)]
    for (const [index, user] of users.entries()) await user.say(`user${index} ${words.join(" ")}`, `to user${index}`)
    const text = fc.array(fc.oneof(fc.constantFrom(...words, "user0", "user1"), fc.string()))
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(0, 1), async (parts, index) => {
        const found = await recall(users[index]!.id, parts.join(" ").replaceAll("\0", ""))
        expect(found.filter((content) => content.includes(`user${1 - index}`))).toEqual([])
      }),
      { numRuns: 40 },
    )
  })

  test("an erased message, and a deleted conversation, leave no word", async () => {
    const one = await TestConversation.create(stores)
    const { reply } = await one.say("a canary", "a parrot")
    const left = "select from grizz.message_words where user_id = $1::uuid"
    await stores.replies.erase(one.userId, one.id, reply.messageId)
    expect(await recall(one.id, "canary")).toEqual([])
    await stores.conversations.delete(one.userId, one.id)
    expect(await sql(database(), left, [one.userId])).toEqual([])
  })

  test("what was there before the index is found once it was gone through", async () => {
    const one = await TestConversation.create(stores)
    await one.say("an old badger", "grey")
    await sql(database(), "delete from grizz.message_words where user_id = $1::uuid", [one.userId])
    expect(await recall(one.id, "badger")).toEqual([])
    const start = "insert into grizz.message_words_backlog values (true, '00000000-0000-0000-0000-000000000000')"
    await sql(database(), start, [])
    while (await stores.recall.indexBacklog());
    expect(await recall(one.id, "badger")).toEqual(["an old badger", "grey"])
  })

  test("takes any text, and never more than so many words of it", async () => {
    const one = await TestConversation.create(stores)
    const long = Array.from({ length: 5000 }, (_, index) => `w${index}`).join(" ")
    const texts = ["x".repeat(10_000), "the and of", "🍯🐻🍯", "& | ! :* ' \\ <->", "熊".repeat(32_000), long]
    for (const text of texts) {
      expect(await wordsOf(text)).toBeLessThanOrEqual(1000)
      await recall(one.id, text)
    }
  })
})
