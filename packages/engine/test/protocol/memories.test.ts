import { randomUUID } from "node:crypto"
import { type MemoryPage, type MemoryResource, memoryPage, memoryResource } from "@grizz/protocol"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { patient, startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"

describeDatabases("memories over REST", (database) => {
  let engine: TestEngine
  let user: TestUser

  beforeAll(async () => {
    engine = await startTestEngine({ database: database() })
  })
  afterAll(() => engine.close())
  beforeEach(async () => {
    user = await engine.user()
  })

  const remember = async (text: string) => (await user.request<MemoryResource>("POST", "/memories", { text })).body
  const list = async (query = "") => (await user.request<MemoryPage>("GET", `/memories${query}`)).body

  test("a note is remembered, found, corrected and forgotten", async () => {
    const { status, body: note } = await user.request<MemoryResource>("POST", "/memories", {
      text: "Sister is called Ada",
    })
    expect(status).toBe(201)
    expect(memoryResource.parse(note)).toMatchObject({ kind: "note", pinned: true, sources: [], valid_to: null })
    expect((await list("?q=ADA")).data).toEqual([note])
    const corrected = await user.request<MemoryResource>("PATCH", `/memories/${note.id}`, {
      text: "Sister is called Ida",
    })
    expect(corrected).toMatchObject({ status: 200, body: { text: "Sister is called Ida" } })
    expect((await list()).data).toEqual([corrected.body])
    const [, old] = memoryPage.parse(await list("?superseded=true")).data
    expect(old).toMatchObject({ id: note.id, superseded_by: corrected.body.id })
    expect((await user.request("PATCH", `/memories/${note.id}`, { text: "x" })).status).toBe(409)
    expect((await user.request("DELETE", `/memories/${corrected.body.id}`)).status).toBe(204)
    expect(await list("?superseded=true")).toEqual({ data: [], next_cursor: null })
  })

  test("the list goes page by page, without a gap or a repeat", async () => {
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.unshift((await remember(`note ${index}`)).id)
    const seen: string[] = []
    let cursor: string | null = ""
    while (cursor !== null) {
      const page: MemoryPage = await list(`?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`)
      seen.push(...page.data.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(seen).toEqual(ids)
  })

  test("someone else's memory, a missing and a malformed id are the same 404", async () => {
    const note = await remember("secret")
    const stranger = await engine.user()
    const answers = []
    for (const id of [note.id, randomUUID(), "no-id"]) {
      answers.push(await stranger.request("PATCH", `/memories/${id}`, { text: "mine" }))
      answers.push(await stranger.request("DELETE", `/memories/${id}`))
    }
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 404, body: { code: "not_found" } })
    expect((await stranger.request<MemoryPage>("GET", "/memories?superseded=true")).body.data).toEqual([])
    expect((await list()).data).toEqual([note])
  })

  test("what cannot be remembered is refused", async () => {
    const bodies = [
      {},
      { text: " \n" },
      { text: "x".repeat(2001) },
      { text: "\0" },
      { text: "\ud800" },
      { text: "x", kind: "fact" },
    ]
    for (const body of bodies) {
      expect(await user.request("POST", "/memories", body)).toMatchObject({
        status: 400,
        body: { code: "invalid_request" },
      })
    }
    for (const query of ["?cursor=abc", "?limit=0", "?q=%00", "?x=1"]) {
      expect((await user.request("GET", `/memories${query}`)).status).toBe(400)
    }
    expect((await list()).data).toEqual([])
  })

  test("the memory is paused until it is told to go on", async () => {
    const settings = () => user.request("GET", "/memories/settings")
    expect(await settings()).toEqual({ status: 200, body: { paused: false } })
    expect((await user.request("PATCH", "/memories/settings", { paused: true })).body).toEqual({ paused: true })
    expect((await settings()).body).toEqual({ paused: true })
    expect((await user.request("PATCH", "/memories/settings", { paused: "no" })).status).toBe(400)
  })

  test("a reply is made with what is remembered, of this user alone, and not while the memory is paused", async () => {
    const asked: string[] = []
    const talking = await startTestEngine({
      database: database(),
      recollectionMaxMs: patient,
      script: (request) => {
        asked.push(JSON.stringify(request))
        return null
      },
    })
    try {
      const me = await talking.user(user.id)
      const stranger = await talking.user()
      const say = async (who: TestUser) => {
        const body = { id: randomUUID(), content: "hello" }
        const { status } = await who.request("POST", `/conversations/${await who.today()}/messages`, body)
        expect(status).toBe(201)
        return asked.at(-1)
      }
      const note = await remember("The sister is called Xanthippe47")
      expect(await say(me)).toContain("Xanthippe47")
      expect(await say(stranger)).not.toContain("Xanthippe47")
      await user.request("PATCH", "/memories/settings", { paused: true })
      expect(await say(me)).not.toContain("Xanthippe47")
      await user.request("PATCH", "/memories/settings", { paused: false })
      expect(await say(me)).toContain("Xanthippe47")
      await user.request("DELETE", `/memories/${note.id}`)
      expect(await say(me)).not.toContain("Xanthippe47")
    } finally {
      await talking.close()
    }
  })

  test("nobody gets in without a token", async () => {
    for (const [method, path] of [
      ["GET", "/memories"],
      ["POST", "/memories"],
      ["GET", "/memories/settings"],
    ] as const) {
      expect((await fetch(`${engine.url}${path}`, { method })).status).toBe(401)
    }
  })
})
