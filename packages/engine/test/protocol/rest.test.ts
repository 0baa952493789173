import { randomUUID } from "node:crypto"
import type { ConversationPage, ConversationResource, MessagePage } from "@grizz/protocol"
import { conversationResource, messagePage } from "@grizz/protocol"
import { afterEach, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"

describeDatabases("REST", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser

  beforeEach(async () => {
    model = new ScriptedModel()
    engine = await startTestEngine({ database: database(), script: model.script, env: { DRAIN_TIMEOUT_MS: "0" } })
    user = await engine.user()
  })
  afterEach(() => engine.close())

  async function talk(conversationId: string, turns: number): Promise<void> {
    const wire = await user.connect(conversationId)
    for (let turn = 0; turn < turns; turn++) {
      wire.say(randomUUID(), `question ${turn}`)
      model.say(`answer ${turn}`)
      model.finish()
      await wire.next("reply.ended")
    }
    wire.close()
  }

  test("health and readiness answer without sign-in", async () => {
    const health = await fetch(`${engine.url}/health`)
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }])
    const ready = await fetch(`${engine.url}/ready`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({
      status: "ready",
      checks: { database: { status: "ok" }, accepting: { status: "ok" } },
    })
  })

  test("today is made once, however many ask at once, and is the same afterwards", async () => {
    const zone = "/conversations/today?tz=Pacific/Kiritimati"
    const answers = await Promise.all(Array.from({ length: 50 }, () => user.request<ConversationResource>("GET", zone)))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    const { status, body } = await user.request<ConversationResource>("GET", zone)
    expect(status).toBe(200)
    expect(conversationResource.parse(body)).toEqual(answers[0]!.body)
    expect(body).toMatchObject({ user_id: user.id, title: null, timezone: "Pacific/Kiritimati" })
    const day = new Intl.DateTimeFormat("sv", { timeZone: "Pacific/Kiritimati" }).format(new Date())
    expect(body.conv_day).toBe(day)
  })

  test("today is UTC's when no zone is given", async () => {
    const { body } = await user.request<ConversationResource>("GET", "/conversations/today")
    expect(body.timezone).toBe("UTC")
  })

  test("the list goes newest first, page by page, without a gap or a repeat", async () => {
    const ids: string[] = []
    for (let index = 0; index < 5; index++) {
      const { status, body } = await user.request<ConversationResource>("POST", "/conversations", {
        title: `talk ${index}`,
      })
      expect(status).toBe(201)
      expect(body).toMatchObject({ title: `talk ${index}`, conv_day: null })
      ids.unshift(body.id)
    }
    const oldest = ids.at(-1)!
    await talk(oldest, 1)
    ids.unshift(ids.pop()!)
    const seen: string[] = []
    let cursor: string | null = ""
    while (cursor !== null) {
      const path: string = `/conversations?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`
      const page: ConversationPage = (await user.request<ConversationPage>("GET", path)).body
      seen.push(...page.data.map(({ id }) => id))
      cursor = page.next_cursor
    }
    expect(seen).toEqual(ids)
  })

  test("a conversation is read, renamed and deleted", async () => {
    const { body: made } = await user.request<ConversationResource>("POST", "/conversations")
    const path = `/conversations/${made.id}`
    expect((await user.request("PATCH", path, { title: "Bären 🐻" })).body).toMatchObject({
      id: made.id,
      title: "Bären 🐻",
    })
    expect(
      (await user.request("GET", path.toUpperCase().replace("/CONVERSATIONS", "/conversations"))).body,
    ).toMatchObject({ title: "Bären 🐻" })
    await talk(made.id, 1)
    expect((await user.request("DELETE", path)).status).toBe(204)
    for (const method of ["GET", "DELETE"]) expect((await user.request(method, path)).status).toBe(404)
    expect((await user.request("PATCH", path, { title: "x" })).status).toBe(404)
    expect((await user.request("GET", `${path}/messages`)).status).toBe(404)
  })

  test("history is paged from the newest, each page ascending", async () => {
    const conversationId = await user.today()
    await talk(conversationId, 3)
    const path = `/conversations/${conversationId}/messages?limit=4`
    const newest = messagePage.parse((await user.request("GET", path)).body)
    expect(newest.data.map(({ position }) => position)).toEqual([2, 3, 4, 5])
    const older = (await user.request<MessagePage>("GET", `${path}&before=${newest.next_cursor}`)).body
    expect(older.data.map(({ position, content }) => [position, content])).toEqual([
      [0, "question 0"],
      [1, "answer 0"],
    ])
    expect(older.next_cursor).toBeNull()
  })

  test("history is read around a message, and on from there", async () => {
    const conversationId = await user.today()
    await talk(conversationId, 4)
    const path = `/conversations/${conversationId}/messages`
    const { data } = (await user.request<MessagePage>("GET", path)).body
    const page = messagePage.parse((await user.request("GET", `${path}?limit=3&around=${data[4]!.id}`)).body)
    expect(page.data).toEqual(data.slice(3, 6))
    const older = (await user.request<MessagePage>("GET", `${path}?before=${page.next_cursor}`)).body
    expect(older).toEqual({ data: data.slice(0, 3), next_cursor: null })
    const first = (await user.request<MessagePage>("GET", `${path}?around=${data[0]!.id}`)).body
    expect(first).toEqual({ data, next_cursor: null })
    for (const id of [crypto.randomUUID(), "nonsense", conversationId]) {
      expect((await user.request("GET", `${path}?around=${id}`)).status).toBe(404)
    }
  })

  test("someone else's conversation is the same 404 as a missing and a malformed one, on every route", async () => {
    const { body } = await user.request<ConversationResource>("POST", "/conversations", { title: "mine" })
    const stranger = await engine.user()
    for (const [method, suffix, payload] of [
      ["GET", "", undefined],
      ["PATCH", "", { title: "theirs" }],
      ["DELETE", "", undefined],
      ["GET", "/messages", undefined],
    ] as const) {
      const answers = await Promise.all(
        [body.id, randomUUID(), "no-uuid"].map((id) =>
          stranger.request(method, `/conversations/${id}${suffix}`, payload),
        ),
      )
      expect(answers[0]).toMatchObject({ status: 404, body: { code: "not_found" } })
      expect(answers[1]).toEqual(answers[0])
      expect(answers[2]).toEqual(answers[0])
    }
    expect((await user.request("GET", `/conversations/${body.id}`)).body).toMatchObject({ title: "mine" })
  })

  test.each<[string, string, unknown, RegExp]>([
    ["GET", "/conversations/today?tz=Mars/Olympus", undefined, /zone/i],
    ["GET", "/conversations/today?tz=%2B05:30", undefined, /zone/i],
    ["GET", "/conversations/today?tz=UTC%2B2", undefined, /zone/i],
    ["GET", "/conversations/today?tz=", undefined, /zone/i],
    ["GET", "/conversations/today?zone=UTC", undefined, /zone/],
    ["GET", "/conversations?limit=-1", undefined, /limit/],
    ["GET", "/conversations?limit=0", undefined, /limit/],
    ["GET", "/conversations?limit=201", undefined, /limit/],
    ["GET", "/conversations?limit=ten", undefined, /limit/],
    ["GET", "/conversations?limit=1.5", undefined, /limit/],
    ["GET", "/conversations?cursor=nonsense", undefined, /cursor/],
    ["GET", "/conversations?empty=no", undefined, /empty/],
    [
      "GET",
      `/conversations?cursor=${Buffer.from("2026-01-01T00:00:00Z x").toString("base64url")}`,
      undefined,
      /cursor/,
    ],
    ["POST", "/conversations", { title: "x".repeat(201) }, /title/],
    ["POST", "/conversations", { title: "a\0" }, /NUL/],
    ["POST", "/conversations", { title: "a\ud83d" }, /surrogate/],
    ["POST", "/conversations", { title: 7 }, /title/],
    ["POST", "/conversations", { name: "x" }, /name/],
    ["POST", "/conversations", [], /object/],
    ["POST", "/dev/token", { user_id: "admin" }, /user_id/],
  ])("%s %s %j is a 400 that names what is wrong", async (method, path, payload, detail) => {
    const { status, body } = await user.request<{ code: string; detail: string }>(method, path, payload)
    expect(status).toBe(400)
    expect(body).toMatchObject({ status: 400, code: "invalid_request" })
    expect(body.detail).toMatch(detail)
  })

  test.each([
    "limit=-1",
    "limit=0",
    "limit=500",
    "before=-1",
    "before=abc",
    "before=1e3",
    "superseded=maybe",
    "before=1&around=x",
  ])("history refuses %s", async (query) => {
    const { status } = await user.request("GET", `/conversations/${await user.today()}/messages?${query}`)
    expect(status).toBe(400)
  })

  test("broken JSON is a 400, a body too large a 413, an unknown path and method a 404, all as problems", async () => {
    const headers = { authorization: `Bearer ${user.token}`, "content-type": "application/json" }
    const post = async (body: string) => fetch(`${engine.url}/conversations`, { method: "POST", headers, body })
    const answers: [Response, number][] = [
      [await post("{"), 400],
      [await post(JSON.stringify({ title: "x".repeat(300_000) })), 413],
      [await fetch(`${engine.url}/nowhere`, { headers }), 404],
      [await fetch(`${engine.url}/conversations`, { method: "PUT", headers, body: "{}" }), 404],
    ]
    for (const [response, status] of answers) {
      expect(response.status).toBe(status)
      expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/)
      expect(await response.json()).toMatchObject({ status, type: "about:blank" })
    }
  })

  test("an unexpected failure is a 500 that says nothing of the inside, and health stays up", async () => {
    const broken = await startTestEngine({
      database: {
        ...passThrough,
        query: () => Promise.reject(new Error("secret inside")),
        ping: () => Promise.reject(new Error("secret")),
      },
    })
    const { token } = await broken.user()
    const response = await fetch(`${broken.url}/conversations`, { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain("secret")
    expect((await fetch(`${broken.url}/ready`)).status).toBe(503)
    expect((await fetch(`${broken.url}/health`)).status).toBe(200)
    await broken.close()
  })

  test("answers carry no-store, nosniff and a content security policy", async () => {
    const response = await fetch(`${engine.url}/conversations`, { headers: { authorization: `Bearer ${user.token}` } })
    expect(response.headers.get("cache-control")).toBe("no-store")
    expect(response.headers.get("x-content-type-options")).toBe("nosniff")
    expect(response.headers.get("content-security-policy")).toMatch(/default-src 'self'/)
  })

  test("OpenAPI 3.1 describes every route, from the schemas that validate", async () => {
    const description = (await (await fetch(`${engine.url}/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, Record<string, { parameters?: { name: string; schema: object }[]; responses: object }>>
      components: { schemas: Record<string, object> }
    }
    expect(description.openapi).toMatch(/^3\.1\./)
    expect(Object.keys(description.paths).sort()).toEqual([
      "/app/config",
      "/conversations",
      "/conversations/today",
      "/conversations/{id}",
      "/conversations/{id}/events",
      "/conversations/{id}/messages",
      "/conversations/{id}/messages/{message_id}",
      "/dev/token",
      "/health",
      "/memories",
      "/memories/settings",
      "/memories/{id}",
      "/ready",
      "/replies/{id}/retry",
      "/replies/{id}/stop",
      "/search",
      "/ws/tickets",
    ])
    expect(Object.keys(description.components.schemas)).toEqual(
      expect.arrayContaining(["Conversation", "Message", "Problem"]),
    )
    const limit = description.paths["/conversations"]!.get!.parameters!.find(({ name }) => name === "limit")
    expect(limit?.schema).toMatchObject({ minimum: 1, maximum: 200, default: 50 })
    expect((await fetch(`${engine.url}/docs`)).status).toBe(200)
  })

  test("no log line holds a token or what users wrote", async () => {
    const conversationId = await user.today()
    await talk(conversationId, 1)
    await fetch(`${engine.url}/conversations?token=${user.token}`)
    const log = engine.log.join("")
    expect(log).toContain("reply produced")
    for (const secret of [user.token, "question 0", "answer 0"]) expect(log).not.toContain(secret)
  })
})

const passThrough = {
  session: () => Promise.reject(new Error("unused")),
  close: () => Promise.resolve(),
}
