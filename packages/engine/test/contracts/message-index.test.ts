import * as fc from "fast-check"
import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

describeDatabases("the index of words", (database) => {
  let stores: Stores
  beforeAll(() => {
    stores = createStores(database(), newId)
  })

  const user = newId()
  const index = async () => {
    while (await stores.messageIndex.indexNext());
  }
  const termsOf = async (text: string, userId = user) => {
    const query = "select unnest(grizz.terms_of($1::uuid, $2))::text as term"
    return (await sql<{ term: string }>(database(), query, [userId, text])).map(({ term }) => term)
  }
  const indexed = ({ id }: TestConversation) =>
    sql<{ role: string; position: number; terms: string[] }>(
      database(),
      `select t.role, t.position, t.terms::text[] as terms from grizz.message_terms t
       where t.conversation_id = $1::uuid order by t.position`,
      [id],
    )
  const positions = async (conversation: TestConversation) =>
    (await indexed(conversation)).map(({ position }) => position)

  test("a message is in it after the next look, under the conversation's user, whoever said it", async () => {
    const one = await TestConversation.create(stores)
    await one.say("I adopted a badger", "What is it called?")
    expect(await indexed(one)).toEqual([])
    await index()
    const rows = await indexed(one)
    expect(rows.map(({ role, position }) => ({ role, position }))).toEqual([
      { role: "user", position: 0 },
      { role: "assistant", position: 1 },
    ])
    expect(new Set(rows[0]!.terms)).toEqual(new Set(await termsOf("adopt badgers", one.userId)))
  })

  test("a reply is in it that was under way at a look, and so is what was said meanwhile", async () => {
    const one = await TestConversation.create(stores)
    const job = await one.start("first")
    await one.enqueue("second")
    await index()
    expect(await positions(one)).toEqual([0])
    const ended = await one.end(job, completed("the first's answer"))
    await index()
    expect(await positions(one)).toEqual([0, 1, 2])
    await one.end(ended!.next!, completed("the second's answer"))
    await index()
    expect(await positions(one)).toEqual([0, 1, 2, 3])
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

  test("another text or role of a message has other terms at once", async () => {
    const one = await TestConversation.create(stores)
    await one.say("a badger", "a hedgehog")
    await index()
    await sql(database(), "update public.messages set content = 'a canary' where conversation_id = $1::uuid", [one.id])
    const canary = await termsOf("canary", one.userId)
    expect((await indexed(one)).map(({ terms }) => terms)).toEqual([canary, canary])
    await sql(database(), "update public.messages set role = 'system' where conversation_id = $1::uuid", [one.id])
    expect((await indexed(one)).map(({ terms }) => terms)).toEqual([[], []])
  })

  test("an erased message, and a deleted conversation, leave no term, and none when they were not indexed yet", async () => {
    const one = await TestConversation.create(stores)
    const { reply } = await one.say("a canary", "a parrot")
    await index()
    await stores.replies.erase(one.userId, one.id, reply.messageId)
    expect((await indexed(one)).map(({ role }) => role)).toEqual(["assistant"])
    const other = await one.say("a canary again", "a parrot again")
    await stores.replies.erase(one.userId, one.id, other.reply.messageId)
    await index()
    expect(await positions(one)).toEqual([1, 3])
    await stores.conversations.delete(one.userId, one.id)
    expect(await indexed(one)).toEqual([])
  })

  test("a message that has the position of an erased one is in it", async () => {
    const one = await TestConversation.create(stores)
    const insert = `insert into public.messages (id, conversation_id, role, content) values ($2::uuid, $1::uuid, 'user', $3)`
    const gone = newId()
    await sql(database(), insert, [one.id, gone, "a canary"])
    await index()
    await stores.replies.erase(one.userId, one.id, gone)
    await sql(database(), insert, [one.id, newId(), "a parrot"])
    await index()
    expect((await indexed(one)).map(({ terms }) => terms)).toEqual([await termsOf("parrot", one.userId)])
  })

  test("what was there before, and what the older engine inserts, is in it", async () => {
    const [one, old] = [await TestConversation.create(stores), await TestConversation.create(stores)]
    for (let turn = 0; turn < 120; turn++) await one.say(`an old badger ${turn}`, "grey")
    await index()
    const before = await indexed(one)
    expect(before).toHaveLength(240)
    await sql(database(), "delete from grizz.message_terms")
    await sql(database(), "update grizz.message_terms_sweep set swept_until = '-infinity', looked_at = '-infinity'")
    const insert =
      "insert into public.messages (id, conversation_id, role, content) values ($2::uuid, $1::uuid, $3, $4)"
    for (const role of ["user", "assistant", "tool"]) await sql(database(), insert, [old.id, newId(), role, "a canary"])
    await index()
    expect(await indexed(one)).toEqual(before)
    const canary = await termsOf("canary", old.userId)
    expect((await indexed(old)).map(({ terms }) => terms)).toEqual([canary, canary, []])
  })

  test("where nothing changed since, a look writes nothing", async () => {
    const one = await TestConversation.create(stores)
    await one.say("a canary", "a parrot")
    const looks = async () => {
      await stores.messageIndex.indexNext()
      const [row] = await sql<{ as: string }>(
        database(),
        'select looked_as::text as "as" from grizz.message_terms_sweep',
      )
      return row!.as
    }
    let last = await looks()
    await expect.poll(async () => last === (last = await looks()), { timeout: 20_000 }).toBe(true)
    expect(await positions(one)).toEqual([0, 1])
  })

  test("takes any text, and never more than so many terms of it", async () => {
    const one = await TestConversation.create(stores)
    const long = Array.from({ length: 5000 }, (_, at) => `w${at}`).join(" ")
    const texts = ["x".repeat(10_000), "the and of", "🍯🐻🍯", "& | ! :* ' \\ <->", "熊".repeat(32_000), long]
    for (const text of texts) {
      await one.say(text, "yes")
      expect((await termsOf(text)).length).toBeLessThanOrEqual(1000)
    }
    await index()
    expect(await indexed(one)).toHaveLength(2 * texts.length)
  })

  test("no text of any characters fails", async () => {
    const unit = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme" }),
      fc.webUrl(),
      fc.emailAddress(),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(unit, { maxLength: 20 }), async (parts) => {
        const text = parts.join(" ").replaceAll("\0", "").toWellFormed()
        expect((await termsOf(text)).length).toBeLessThanOrEqual(1000)
      }),
      { numRuns: 50 },
    )
  })
})
