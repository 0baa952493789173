import * as fc from "fast-check"
import { beforeAll, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { type FoundPlace, MessageSearch } from "../../src/services/message-search.ts"
import { completed, TestConversation } from "../support/database-conversation.ts"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"
import { SeededRandom } from "../simulation/seeded-random.ts"

describeDatabases("search", (database) => {
  let stores: Stores
  let search: MessageSearch
  beforeAll(() => {
    stores = createStores(database(), newId)
    search = new MessageSearch(stores.search)
  })

  const indexAll = async () => {
    const index = "select grizz.index_messages(1000) as has_more"
    while ((await sql<{ has_more: boolean }>(database(), index))[0]?.has_more === true);
  }

  /** What was found, with its highlights in brackets: the same before and after it is in the index. */
  const find = async (userId: string, query: string) => {
    const before = await findNow(userId, query)
    await indexAll()
    expect(await findNow(userId, query)).toEqual(before)
    return before
  }
  const findNow = async (userId: string, query: string) => {
    const { items } = await search.find(userId, query, { limit: 50, before: undefined })
    return items.map(({ message: { content }, highlights }) =>
      highlights.reduceRight(
        (text, { start, end }) => `${text.slice(0, start)}[${text.slice(start, end)}]${text.slice(end)}`,
        content,
      ),
    )
  }
  const saying = async (...texts: string[]) => {
    const conversation = await TestConversation.create(stores)
    for (const text of texts) await conversation.say(text, "Hm.")
    return conversation
  }

  /** Messages that nobody answered, three each of the same moment, the first ones the oldest. */
  const fill = async (userId: string, contents: string[]) => {
    const { id } = await stores.conversations.create(userId, null)
    await sql(
      database(),
      `insert into public.messages (id, conversation_id, user_id, role, content, position, created_at)
        select gen_random_uuid(), $1::uuid, $2::uuid, 'user', c.text, c.place, timestamptz '2026-01-01' + c.place / 3 * interval '1 second'
        from unnest($3::text[]) with ordinality c(text, place)`,
      [id, userId, contents],
    )
    await indexAll()
  }

  /** All pages. */
  const findAll = async (userId: string, query: string, limit: number) => {
    const found: string[] = []
    for (let before: FoundPlace | undefined; ; ) {
      const { items, next } = await search.find(userId, query, { limit, before })
      found.push(...items.map(({ message }) => message.content))
      if (next === null) return found
      before = next
    }
  }

  test("messages have every word, in whatever form, newest first", async () => {
    const { userId } = await saying(
      "I went to the mountains with my sister",
      "My sister is going to the mountain again",
      "The mountains are high",
      "We go, sister, over every MOUNTAIN!",
    )
    expect(await find(userId, "sister go mountain")).toEqual([
      "We [go], [sister], over every [MOUNTAIN]!",
      "My [sister] is [going] to the [mountain] again",
      "I [went] to the [mountains] with my [sister]",
    ])
  })

  test("words of other languages are found by their own stems, and what is common in them does not count", async () => {
    const { userId } = await saying("Ich habe mein Haus und die Katze", "Die Häuser sind nicht groß, Östersund auch")
    expect(await find(userId, "Häuser")).toEqual([
      "Die [Häuser] sind nicht groß, Östersund auch",
      "Ich habe mein [Haus] und die Katze",
    ])
    expect(await find(userId, "die Katzen")).toEqual(["Ich habe mein Haus und die [Katze]"])
    expect(await find(userId, "östersund GROSS")).toEqual(["Die Häuser sind nicht [groß], [Östersund] auch"])
  })

  test("a stem of a language that nobody here speaks makes no two words the same", async () => {
    const { userId } = await saying("I care about the hope", "A car with hops")
    expect(await find(userId, "care")).toEqual(["I [care] about the hope"])
    expect(await find(userId, "hop")).toEqual(["A car with [hops]"])
  })

  test("scripts without spaces are found within a stretch", async () => {
    const { userId } = await saying("昨日、東京タワーに行った", "京都と東京", "猫がいる")
    expect(await find(userId, "東京タワー")).toEqual(["昨日、[東京タワー]に行った"])
    expect(await find(userId, "東京")).toEqual(["京都と[東京]", "昨日、[東京]タワーに行った"])
    expect(await find(userId, "猫")).toEqual(["[猫]がいる"])
  })

  test("numbers, addresses and words with hyphens are found as they are", async () => {
    const { userId } = await saying(
      "Version 3.14 by joe@example.com, a well-known bear",
      "See https://example.com/bears/1",
    )
    expect(await find(userId, "3.14 joe@example.com")).toEqual([
      "Version [3.14] by [joe@example.com], a well-known bear",
    ])
    expect(await find(userId, "well-known")).toEqual(["Version 3.14 by joe@example.com, a [well]-[known] bear"])
    expect(await find(userId, "example.com")).toEqual(["See https://[example.com]/bears/1"])
  })

  test.each([
    ["German", "Ich habe zwei Katzen und mein Haus", "Katze", "Katzen"],
    ["French", "Je suis dans les maisons avec vous", "maison", "maisons"],
    ["Spanish", "Tengo dos gatos pero el perro no", "gato", "gatos"],
    ["Portuguese", "Eu não tenho muito livros", "livro", "livros"],
    ["Italian", "Il mio gatto che sono libri", "libro", "libri"],
    ["Dutch", "Ik heb een huis en twee boeken maar niet", "boek", "boeken"],
    ["Swedish", "Jag är inte här och bilar", "bil", "bilar"],
    ["Russian", "Мы читали книги вчера", "книга", "книги"],
    ["Greek", "Έχω δύο γάτες και σκύλο", "γάτα", "γάτες"],
    ["Arabic", "قرأت الكتاب أمس", "كتاب", "الكتاب"],
  ])(
    "what is said in %s is found by another form of its words, and by each as it stands",
    async (_, said, form, there) => {
      const { userId } = await saying(said)
      expect(await find(userId, form)).toEqual([said.replace(there, `[${there}]`)])
      for (const word of said.split(" ").filter((one) => one.length > 3)) {
        expect([word, await findNow(userId, word)]).toEqual([word, [said.replace(word, `[${word}]`)]])
      }
    },
  )

  test("both roles are searched, but no reply that another one replaced, and nothing that was erased", async () => {
    const conversation = await TestConversation.create(stores)
    const { userId } = conversation
    const first = await conversation.say("Where is the honey?", "The honey is in the tree")
    expect(await find(userId, "honey")).toEqual(["The [honey] is in the tree", "Where is the [honey]?"])
    const retried = await stores.replies.retry(userId, first.reply.id, newId(), conversation.owner, 10)
    if (typeof retried === "string" || retried.job === null) throw new Error("not retried")
    await conversation.end(retried.job, completed("Honey? All gone"))
    expect(await find(userId, "honey")).toEqual(["[Honey]? All gone", "Where is the [honey]?"])
    await stores.replies.erase(userId, conversation.id, first.message!.id)
    expect(await find(userId, "honey")).toEqual(["[Honey]? All gone"])
    await stores.conversations.delete(userId, conversation.id)
    expect(await find(userId, "honey")).toEqual([])
  })

  test("pages hold every message once and in order, however far back, and whatever is said meanwhile", async () => {
    const random = new SeededRandom(7)
    const shares = { blik: 0.4, quam: 0.1, zork: 0.006 }
    const contents = (tag: string) =>
      Array.from({ length: 4000 }, (_, place) =>
        [tag, place, ...Object.entries(shares).flatMap(([word, share]) => (random.chance(share) ? [word] : []))].join(
          " ",
        ),
      )
    const [mine, theirs] = [newId(), newId()]
    await fill(mine, contents("mine"))
    await fill(theirs, contents("theirs"))
    const ordered = await sql<{ content: string }>(
      database(),
      "select content from public.messages where user_id = $1::uuid order by created_at desc, id desc",
      [mine],
    )
    for (const [query, limit] of [
      ["blik", 50],
      ["quam", 30],
      ["zork", 5],
      ["zork blik", 2],
      ["quam blik mine", 50],
    ] as const) {
      const expected = ordered
        .map(({ content }) => content)
        .filter((content) => query.split(" ").every((word) => content.split(" ").includes(word)))
      expect(expected.length).toBeGreaterThan(limit)
      expect(await findAll(mine, query, limit)).toEqual(expected)
    }
    const { items, next } = await search.find(mine, "zork", { limit: 3, before: undefined })
    const later = await stores.conversations.create(mine, null)
    await TestConversation.of(stores, mine, later.id).say("zork again", "zork?")
    const rest = await search.find(mine, "zork", { limit: 3, before: next ?? undefined })
    const zorks = ordered.map(({ content }) => content).filter((content) => content.endsWith("zork"))
    expect([...items, ...rest.items].map(({ message }) => message.content)).toEqual(zorks.slice(0, 6))
  })

  test("whatever is searched for, nobody finds what another one said", async () => {
    const piece = fc.constantFrom(
      "honey",
      "Bär",
      "東京",
      "ぬこ",
      "the",
      "3.14",
      "went",
      "go",
      "'",
      "&",
      "|",
      "!",
      ":*",
      "\\",
      "🐻",
      "é",
    )
    const text = fc.array(piece, { minLength: 1, maxLength: 4 }).map((pieces) => pieces.join(" "))
    const users = [newId(), newId(), newId()]
    let found = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...users), text), { minLength: 1, maxLength: 6 }),
        text,
        async (said, query) => {
          for (const [userId, content] of said) {
            const { id } = await stores.conversations.create(userId, null)
            await TestConversation.of(stores, userId, id).start(content)
          }
          for (const userId of users) {
            const { items } = await search.find(userId, query, { limit: 50, before: undefined })
            found += items.length
            const owners = await sql<{ id: string }>(
              database(),
              "select distinct c.user_id::text as id from public.messages m join public.conversations c on c.id = m.conversation_id where m.id = any ($1::uuid[])",
              [items.map(({ message }) => message.id)],
            )
            expect(owners.filter(({ id }) => id !== userId)).toEqual([])
          }
        },
      ),
      { numRuns: 25 },
    )
    expect(found).toBeGreaterThan(0)
  })

  test("what is no word finds nothing, and is no error", async () => {
    const { userId } = await saying(
      "the and of",
      "x".repeat(10_000),
      "🐻🎉",
      "& | ! :* ' <->",
      "東京タワー".repeat(500),
    )
    const queries = [
      "the and of",
      "x".repeat(500),
      "🐻🎉",
      "& | ! :* ' <->",
      "'",
      "\\",
      "(",
      "a:*b",
      "%",
      "a ".repeat(250),
      "-",
      "<b>",
    ]
    for (const query of queries) expect([query, await find(userId, query)]).toEqual([query, []])
    expect(await find(userId, "東京タワー".repeat(100))).toHaveLength(1)
  })
})
