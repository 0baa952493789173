import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("recall store", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const user = newId()
  const termsOf = async (text: string, userId = user) => {
    const query = "select unnest(grizz.terms_of($1::uuid, $2))::text as term"
    return (await sql<{ term: string }>(database(), query, [userId, text])).map(({ term }) => term)
  }
  const indexed = ({ userId }: TestConversation) =>
    sql<{ role: string; position: number; terms: string[] }>(
      database(),
      `select t.role, t.position, t.terms::text[] as terms from grizz.message_terms t
       where t.user_id = $1::uuid order by t.position`,
      [userId],
    )

  test("a message is indexed with its statement, under the conversation's user, whoever said it", async () => {
    const one = await TestConversation.create(stores)
    await one.say("I adopted a badger", "What is it called?")
    const rows = await indexed(one)
    expect(rows.map(({ role, position }) => ({ role, position }))).toEqual([
      { role: "user", position: 0 },
      { role: "assistant", position: 1 },
    ])
    expect(new Set(rows[0]!.terms)).toEqual(new Set(await termsOf("adopt badgers", one.userId)))
  })

  test("the terms of two users have nothing in common", async () => {
    const [mine, theirs] = [await termsOf("badger honey river"), await termsOf("badger honey river", newId())]
    expect(mine).toHaveLength(3)
    expect(mine.filter((term) => theirs.includes(term))).toEqual([])
  })

  test.each([
    ["an irregular verb", "She went and said so", "go, say"],
    ["German", "Ich habe zwei Katzen", "Ich mag meine Katze nicht"],
    ["Russian", "У меня две собаки", "собака"],
    ["Chinese", "我昨天去了动物园看熊猫", "熊猫"],
    ["Japanese", "猫が好きです", "猫はどこ"],
    ["Thai", "ฉันมีแมวสองตัว", "แมว"],
    ["Turkish, as it is written", "Dün kütüphane kapalıydı", "Hangi kütüphane"],
  ])("a message in %s shares a term with a question in other forms", async (_, said, asked) => {
    const known = await termsOf(said)
    const wanted = await termsOf(asked)
    expect(wanted.filter((term) => known.includes(term))).not.toEqual([])
  })

  test("another text of a message has other terms", async () => {
    const one = await TestConversation.create(stores)
    await one.say("a badger", "a hedgehog")
    await sql(database(), "update public.messages set content = 'a canary' where conversation_id = $1::uuid", [one.id])
    const canary = await termsOf("canary", one.userId)
    expect((await indexed(one)).map(({ terms }) => terms)).toEqual([canary, canary])
  })

  test("an erased message, and a deleted conversation, leave no term", async () => {
    const one = await TestConversation.create(stores)
    const { reply } = await one.say("a canary", "a parrot")
    await stores.replies.erase(one.userId, one.id, reply.messageId)
    expect((await indexed(one)).map(({ role }) => role)).toEqual(["assistant"])
    await stores.conversations.delete(one.userId, one.id)
    expect(await indexed(one)).toEqual([])
  })

  test("what was there before the index is in it once it was gone through", async () => {
    const one = await TestConversation.create(stores)
    await one.say("an old badger", "grey")
    const before = await indexed(one)
    await sql(database(), "delete from grizz.message_terms where user_id = $1::uuid", [one.userId])
    const start = "insert into grizz.message_terms_backlog values (true, '00000000-0000-0000-0000-000000000000')"
    await sql(database(), start, [])
    while (await stores.recall.indexBacklog());
    expect(await indexed(one)).toEqual(before)
  })

  test("takes any text, and never more than so many terms of it", async () => {
    const one = await TestConversation.create(stores)
    const long = Array.from({ length: 5000 }, (_, index) => `w${index}`).join(" ")
    const texts = ["x".repeat(10_000), "the and of", "🍯🐻🍯", "& | ! :* ' \\ <->", "熊".repeat(32_000), long]
    for (const text of texts) {
      await one.say(text, "yes")
      expect((await termsOf(text)).length).toBeLessThanOrEqual(1000)
    }
    expect(await indexed(one)).toHaveLength(2 * texts.length)
  })
})
