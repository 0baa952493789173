import { randomUUID } from "node:crypto"
import { type MessageResource, type SearchPage, searchPage } from "@grizz/protocol"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"

describeDatabases("search over REST", (database) => {
  let engine: TestEngine
  let user: TestUser
  let conversationId: string

  beforeAll(async () => {
    engine = await startTestEngine({ database: database(), script: () => [{ text: "Hm." }] })
  })
  afterAll(() => engine.close())
  beforeEach(async () => {
    user = await engine.user()
    conversationId = await user.today()
  })

  const say = async (content: string) => {
    const path = `/conversations/${conversationId}/messages`
    const { status, body } = await user.request<{ message: MessageResource }>("POST", path, {
      id: randomUUID(),
      content,
    })
    expect(status).toBe(201)
    return body.message
  }
  const search = async (query: Record<string, string>, who = user) =>
    (await who.request<SearchPage>("GET", `/search?${new URLSearchParams(query)}`)).body

  test("what was just said is found, as history shows it, with where the words are", async () => {
    const message = await say("🐻 The bears went home; the bear sleeps")
    const page = searchPage.parse(await search({ q: "bear go" }))
    const { body: conversation } = await user.request("GET", `/conversations/${conversationId}`)
    expect(page).toEqual({
      data: [
        {
          message,
          conversation: { id: conversationId, title: null, conv_day: conversation["conv_day"] },
          highlights: [
            { start: 7, end: 12 },
            { start: 13, end: 17 },
            { start: 28, end: 32 },
          ],
        },
      ],
      next_cursor: null,
    })
    expect(await search({ q: "bear go wolf" })).toEqual({ data: [], next_cursor: null })
  })

  test("pages follow one another, newest first, in one statement each", async () => {
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.unshift((await say(`honey ${index}`)).id)
    const seen: string[] = []
    engine.takeStatements()
    let cursor: string | null = null
    do {
      const page: SearchPage = await search({ q: "honey", limit: "2", ...(cursor !== null && { cursor }) })
      seen.push(...page.data.map(({ message }) => message.id))
      cursor = page.next_cursor
    } while (cursor !== null)
    expect(seen).toEqual(ids)
    expect(engine.takeStatements().filter((name) => name === "grizz_search")).toHaveLength(3)
  })

  test("somebody else finds nothing, nor does anyone what was erased", async () => {
    const message = await say("A secret Xanthippe47")
    const stranger = await engine.user()
    expect((await search({ q: "Xanthippe47" }, stranger)).data).toEqual([])
    expect((await search({ q: "Xanthippe47" })).data).toHaveLength(1)
    await user.request("DELETE", `/conversations/${conversationId}/messages/${message.id}`)
    expect((await search({ q: "Xanthippe47" })).data).toEqual([])
  })

  test.each([
    ["without a query", ""],
    ["with an empty one", "q="],
    ["with a blank one", "q=%20%0a"],
    ["with one that is too long", `q=${"x".repeat(501)}`],
    ["with NUL in it", "q=a%00b"],
    ["with a limit of 0", "q=a&limit=0"],
    ["with a limit that is too high", "q=a&limit=51"],
    ["with a cursor of no page", "q=a&cursor=abc"],
    ["with what there is not", "q=a&x=1"],
    ["with two queries", "q=a&q=b"],
  ])("a search %s is refused, and says what is wrong", async (_, query) => {
    const { status, body } = await user.request("GET", `/search?${query}`)
    expect(status).toBe(400)
    expect(body).toMatchObject({ code: "invalid_request", detail: expect.stringMatching(/q|limit|cursor|x/) })
  })

  test.each([
    ["words that every text has", "the and of"],
    ["pictures", "🐻🎉"],
    ["the signs of a query language", "& | ! :* ' <->"],
    ["a lone surrogate", "\ud83d"],
    ["one letter, often", "q".repeat(500)],
    ["a script without spaces, at length", "東京".repeat(250)],
    ["many words", "a b ".repeat(100)],
  ])("a search for %s is answered", async (_, q) => {
    await say("something else")
    const encoded = q === "\ud83d" ? "%ED%A0%BD" : encodeURIComponent(q)
    expect(await user.request("GET", `/search?q=${encoded}`)).toEqual({
      status: 200,
      body: { data: [], next_cursor: null },
    })
  })

  test("nobody gets in without a token, and the description has it", async () => {
    expect((await fetch(`${engine.url}/search?q=a`)).status).toBe(401)
    const description = JSON.stringify(await (await fetch(`${engine.url}/openapi.json`)).json())
    expect(description).toContain('"/search":{"get":')
    expect(description).toContain('"#/components/schemas/SearchPage"')
  })
})
