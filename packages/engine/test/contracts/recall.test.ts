import * as fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"

/** A Wednesday. */
const askedAt = "2026-11-25T12:00:00Z"
const zone = "Europe/Berlin"

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
        $1::uuid, $2, $3::uuid, $4::integer, $6::text::timestamptz, $7, $5::integer) r`
    const parameters = [userId, text, conversationId, before, limit, askedAt, zone]
    return (await sql<{ content: string }>(database(), query, parameters)).map(({ content }) => content)
  }

  describe("what is found", () => {
    test("what the user and the companion said, in any conversation, the rarest word first", async () => {
      const one = await TestConversation.create(stores)
      const other = await TestConversation.create(stores, one.userId)
      await one.say("I adopted a badger", "How sweet")
      await other.say("What do badgers eat?", "A badger called Otto eats honey")
      await index()
      const found = await recall(one.userId, "does the badger like honey")
      expect(found[0]).toBe("A badger called Otto eats honey")
      expect(found).toContain("I adopted a badger")
      expect(await recall(one.userId, "the badger and honey", null, 0, 1)).toHaveLength(1)
    })

    test("an answer that has none of the words, beside its question that has them", async () => {
      const one = await TestConversation.create(stores)
      for (let turn = 0; turn < 10; turn++) await one.say(`the weather of ${turn}`, "grey")
      await one.say("Which instrument does Clara play?", "The oboe, I believe")
      for (let turn = 10; turn < 20; turn++) await one.say(`the weather of ${turn}`, "grey")
      await index()
      const found = await recall(one.userId, "the instrument that Clara plays")
      expect(found.slice(0, 2)).toContain("The oboe, I believe")
    })

    test("the one of two speakers first who is meant", async () => {
      const one = await TestConversation.create(stores)
      await one.say("My favourite tree is the larch", "My favourite tree is the elm")
      await index()
      const first = async (text: string) => (await recall(one.userId, text))[0]
      expect(await first("Which tree is my favourite?")).toContain("larch")
      expect(await first("Do you remember which tree I liked?")).toContain("larch")
      expect(await first("Which tree is your favourite?")).toContain("elm")
    })

    test("a word that is said for another", async () => {
      const one = await TestConversation.create(stores)
      await one.say("Our daughter has begun to walk", "Well done")
      await index()
      expect((await recall(one.userId, "How is the kid?"))[0]).toBe("Our daughter has begun to walk")
    })

    test("what was said on the days that are named, in the user's zone, with and without a word of it", async () => {
      const one = await TestConversation.create(stores)
      const other = await TestConversation.create(stores, one.userId)
      const move = (text: string, at: string) =>
        sql(database(), "update public.messages set created_at = $2::text::timestamptz where content = $1", [text, at])
      await one.say("We met a heron by the lake", "A heron, in the evening")
      await other.say("Another heron came", "I see, a heron")
      // Half past midnight of the 20th in Berlin, and an hour earlier.
      await move("We met a heron by the lake", "2026-05-19T22:30:00Z")
      await move("A heron, in the evening", "2026-05-19T21:30:00Z")
      await index()
      expect((await recall(one.userId, "the heron on 20 May"))[0]).toBe("We met a heron by the lake")
      expect((await recall(one.userId, "the heron on 19 May"))[0]).toBe("A heron, in the evening")
      const ofMay = ["A heron, in the evening", "We met a heron by the lake"]
      expect((await recall(one.userId, "And last May?")).sort()).toEqual(ofMay)
      expect(await recall(one.userId, "And last April?")).toEqual([])
    })
  })

  describe("what is left out", () => {
    test("another user's, whose conversation is named or not", async () => {
      const [mine, theirs] = [await TestConversation.create(stores), await TestConversation.create(stores)]
      await theirs.say("my secret is a canary", "a canary, I see")
      await mine.say("hello", "hello")
      await index()
      expect(await recall(mine.userId, "canary secret, this week")).not.toContain("my secret is a canary")
      expect(await recall(mine.userId, "canary secret", theirs.id, 100)).toEqual([])
      expect(await recall(theirs.userId, "canary secret")).toHaveLength(2)
    })

    test("another user's, whatever the two have said and whatever is asked", async () => {
      const words = ["badger", "honey", "river", "daughter", "yesterday", "I", "you", "熊猫", "Katze", "what"]
      const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 5 }).map((some) => some.join(" "))
      const names = ["Ada", "Bo", "Cleo"]
      await fc.assert(
        fc.asyncProperty(fc.array(text, { minLength: 3, maxLength: 9 }), text, async (said, asked) => {
          const users = await Promise.all(names.map(() => TestConversation.create(stores)))
          for (const [at, one] of said.entries()) await users[at % 3]!.say(`${one} ${names[at % 3]}`, names[at % 3]!)
          await index()
          for (const [at, { userId }] of users.entries()) {
            for (const found of await recall(userId, asked)) expect(found).toContain(names[at]!)
          }
        }),
        { numRuns: 10 },
      )
    })

    test("what the window holds: the conversation from a position on", async () => {
      const one = await TestConversation.create(stores)
      const other = await TestConversation.create(stores, one.userId)
      await one.say("a badger", "a grey badger")
      await one.say("the badger again", "that badger")
      await other.say("another badger", "yet another badger")
      await index()
      const found = await recall(one.userId, "badger", one.id, 1)
      expect(new Set(found)).toEqual(new Set(["a badger", "another badger", "yet another badger"]))
    })

    test("an erased message, the text that one had before, a reply that was replaced, and an empty one", async () => {
      const one = await TestConversation.create(stores)
      const { reply } = await one.say("a canary", "a parrot")
      const stopped = await one.start("a plover")
      await one.end(stopped, { ...completed(""), status: "stopped" })
      const again = await one.say("a heron", "a stork")
      await index()
      await stores.replies.erase(one.userId, one.id, reply.messageId)
      await sql(database(), "update public.messages set content = 'a raven' where id = $1::uuid", [reply.id])
      const retried = await stores.replies.retry(one.userId, again.reply.id, newId(), one.owner, 10)
      if (typeof retried === "string") throw new Error(`not retried: ${retried}`)
      await one.end(retried.job!, completed("a stork, better told"))
      await index()
      const found = await recall(one.userId, "canary parrot raven stork")
      expect(new Set(found)).toEqual(new Set(["a raven", "a plover", "a heron", "a stork, better told"]))
    })

    test("all, where nothing rare matches", async () => {
      const one = await TestConversation.create(stores)
      for (let turn = 0; turn < 10; turn++) await one.say(`good weather ${turn}`, "hello, good weather")
      await index()
      expect(await recall(one.userId, "Hello! Is the weather good?")).toEqual([])
      expect(await recall(one.userId, "an elephant")).toEqual([])
      expect(await recall(newId(), "weather of last week")).toEqual([])
    })
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

  const days = async (text: string, inZone = zone) => {
    const query = `select coalesce(string_agg((lower(d) at time zone 'UTC')::text || '/' || (upper(d) at time zone 'UTC')::text, ' '), '')
      as days from unnest(grizz.days_meant($1, $2::text::timestamptz, $3)) d`
    return (await sql<{ days: string }>(database(), query, [text, askedAt, inZone]))[0]!.days.replaceAll(":00:00", "h")
  }

  test.each([
    ["what did we do yesterday", "2026-11-23 23h/2026-11-24 23h"],
    ["the day before yesterday", "2026-11-22 23h/2026-11-23 23h"],
    ["what I told you last Tuesday", "2026-11-23 23h/2026-11-24 23h"],
    ["on Wednesday", "2026-11-17 23h/2026-11-18 23h"],
    ["three days ago", "2026-11-21 23h/2026-11-22 23h"],
    ["2 weeks ago", "2026-11-07 23h/2026-11-14 23h"],
    ["a month ago", "2026-10-09 22h/2026-11-09 23h"],
    ["two years ago", "2023-12-31 23h/2024-12-31 23h"],
    ["last week", "2026-11-15 23h/2026-11-22 23h"],
    ["last weekend", "2026-11-20 23h/2026-11-22 23h"],
    ["this month", "2026-10-31 23h/2026-11-30 23h"],
    ["last year", "2024-12-31 23h/2025-12-31 23h"],
    ["in May", "2026-04-30 22h/2026-05-31 22h"],
    ["last December", "2025-11-30 23h/2025-12-31 23h"],
    ["last November", "2025-10-31 23h/2025-11-30 23h"],
    ["on 8 May 2023", "2023-05-07 22h/2023-05-08 22h"],
    ["May 8th, 2023", "2023-05-07 22h/2023-05-08 22h"],
    ["between Feb 2 and 3 March", "2026-02-01 23h/2026-02-02 23h 2026-03-02 23h/2026-03-03 23h"],
    ["31 February", "2026-01-31 23h/2026-02-28 23h"],
    ["in 2024", "2023-12-31 23h/2024-12-31 23h"],
    ["may I march with June?", ""],
    ["Was war vorgestern?", "2026-11-22 23h/2026-11-23 23h"],
    ["gestern Abend", "2026-11-23 23h/2026-11-24 23h"],
    ["am letzten Dienstag", "2026-11-23 23h/2026-11-24 23h"],
    ["am Sonnabend", "2026-11-20 23h/2026-11-21 23h"],
    ["vor drei Tagen", "2026-11-21 23h/2026-11-22 23h"],
    ["vor einer Woche", "2026-11-14 23h/2026-11-21 23h"],
    ["vor einem Monat", "2026-10-09 22h/2026-11-09 23h"],
    ["vor 2 Jahren", "2023-12-31 23h/2024-12-31 23h"],
    ["letzte Woche", "2026-11-15 23h/2026-11-22 23h"],
    ["am letzten Wochenende", "2026-11-20 23h/2026-11-22 23h"],
    ["dieses Jahr", "2025-12-31 23h/2026-12-31 23h"],
    ["im Mai", "2026-04-30 22h/2026-05-31 22h"],
    ["letzten November", "2025-10-31 23h/2025-11-30 23h"],
    ["am 8. Mai 2023", "2023-05-07 22h/2023-05-08 22h"],
    ["am 31. Februar", "2026-01-31 23h/2026-02-28 23h"],
    ["Mai ist die Marie von vor dem Tag", ""],
  ])("'%s' means %s", async (text, expected) => {
    expect(await days(text)).toBe(expected)
  })

  test("a zone that PostgreSQL does not know is UTC, and no mixture of dates fails", async () => {
    expect(await days("yesterday", "Mars/Olympus")).toBe("2026-11-24 00h/2026-11-25 00h")
    const words = [
      "0",
      "29",
      "31st",
      "99",
      "999",
      "2023",
      "May",
      "feb",
      "last",
      "in",
      "ago",
      "years",
      "days",
      "month",
      "vor",
      "Tagen",
      "8.",
      "Mai",
      "letztes",
      "Jahr",
    ]
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...words), { maxLength: 12 }), async (some) => {
        expect(typeof (await days(some.join(" ")))).toBe("string")
      }),
      { numRuns: 100 },
    )
  })
})
