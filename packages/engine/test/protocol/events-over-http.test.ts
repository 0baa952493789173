import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { request } from "node:http"
import type { IncomingMessage } from "node:http"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { SseStream } from "../support/sse.ts"
import { foldText } from "../support/wire.ts"

describeDatabases("GET …/events", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    model = new ScriptedModel()
    const env = { DRAIN_TIMEOUT_MS: "0", CONTEXT_MESSAGES: "1" }
    engine = await startTestEngine({ database: database(), script: model.script, env })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(() => engine.close())

  async function turn(text: string, answer: string) {
    const stream = await user.sayOverHttp(conversationId, randomUUID(), text)
    model.say(answer)
    model.finish()
    return stream.next("reply.ended")
  }

  test("gives what a socket gives, each frame with its cursor as id", async () => {
    const [stream, wire] = [await user.follow(conversationId), await user.connect(conversationId)]
    expect(stream.response.headers.get("content-type")).toMatch(/^text\/event-stream/)
    expect(stream.response.headers.get("cache-control")).toBe("no-store")
    expect(stream.response.headers.get("x-accel-buffering")).toBe("no")
    await turn("one", "eins")
    await turn("two", "zwei")
    for (const reader of [stream, wire]) while ((await reader.next("reply.ended")).message.content !== "zwei");
    expect(stream.frames).toEqual(wire.frames)
    for (const { id, frame } of stream.events) expect(frame).toMatchObject({ cursor: id })
    stream.cut()
  })

  test.each(["query", "header", "header over query"])("resumes mid-word from a cursor in the %s", async (place) => {
    const first = await user.follow(conversationId)
    await user.sayOverHttp(conversationId, randomUUID(), "go")
    model.say("half of ")
    const { cursor, reply_id } = await first.next("reply.delta")
    first.cut()
    const headers = place === "query" ? {} : { "last-event-id": cursor }
    const query = place === "header" ? "" : `?after=${place === "query" ? cursor : first.events[0]!.id}`
    const second = await user.follow(conversationId, { headers }, query)
    expect(second.frames[0]).toMatchObject({ cursor, messages: null, reply: null, queued: null })
    model.say("it")
    model.finish()
    await second.next("reply.ended")
    expect(foldText(second.frames, reply_id)).toBe("it")
    second.cut()
  })

  test("a cursor that cannot be honoured gives a snapshot", async () => {
    await turn("one", "eins")
    for (const after of ["", "nonsense", "a".repeat(600)]) {
      const stream = await user.follow(conversationId, {}, `?after=${after}`)
      expect(stream.frames[0]).toMatchObject({ messages: [{ content: "one" }, { content: "eins" }], reply: null })
      stream.cut()
    }
  })

  test("a ticket opens it once, and what is no ticket never", async () => {
    const { body } = await user.request<{ ticket: string }>("POST", "/ws/tickets")
    const url = `${engine.url}/conversations/${conversationId}/events?ticket=${body.ticket}`
    const stream = await SseStream.open(url)
    await stream.next("ready")
    await turn("one", "eins")
    await stream.next("reply.ended")
    stream.cut()
    for (const query of [
      `?ticket=${body.ticket}`,
      "?ticket=x",
      "?ticket=",
      "?ticket=a&ticket=b",
      "",
      `?token=${user.token}`,
    ]) {
      const response = await fetch(`${engine.url}/conversations/${conversationId}/events${query}`)
      expect([query, response.status]).toEqual([query, 401])
      expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/)
    }
    expect(engine.log.join("")).toContain("/events?ticket=[redacted]")
    expect(engine.log.join("")).not.toContain(body.ticket)
  })

  test("someone else's conversation, a missing and a malformed one are the same 404", async () => {
    const stranger = await engine.user()
    const answers = await Promise.all(
      [conversationId, randomUUID(), "no-uuid"].map((id) => stranger.request("GET", `/conversations/${id}/events`)),
    )
    expect(answers[0]).toMatchObject({ status: 404, body: { code: "not_found" } })
    expect(answers[1]).toEqual(answers[0])
    expect(answers[2]).toEqual(answers[0])
  })

  test("deleting the conversation ends it", async () => {
    const stream = await user.follow(conversationId)
    await user.request("DELETE", `/conversations/${conversationId}`)
    expect(await stream.ended).toBe(true)
  })

  test("a shutdown ends it, also one that nobody reads, and the node is done", async () => {
    const stream = await user.follow(conversationId)
    const unread = await openUnread()
    await engine.drain()
    expect(await stream.ended).toBe(true)
    unread.destroy()
  })

  test("an open stream counts as a connection of its user, until it is closed", async () => {
    const streams = await Promise.all(Array.from({ length: 63 }, () => user.follow(conversationId)))
    const wire = await user.connect(conversationId)
    expect(await user.request("GET", `/conversations/${conversationId}/events`)).toMatchObject({
      status: 429,
      body: { code: "rate_limited" },
    })
    wire.close()
    await wire.closed
    streams.push(await user.follow(conversationId))
    for (const stream of streams) stream.cut()
  })

  test("a reader that does not read is cut at 1 MiB of backlog, and resumes from where it was", async () => {
    const unread = await openUnread()
    unread.on("error", () => undefined)
    const cut = new Promise<void>((resolve) => void unread.once("close", resolve))
    // The kernel takes some megabytes for a reader that does not read; then the backlog grows.
    const piece = "x".repeat(16_000)
    for (let size = 0; size < 14; size += 1) {
      const call = user.request("POST", `/conversations/${conversationId}/messages`, {
        id: randomUUID(),
        content: "go",
      })
      model.say(...Array.from({ length: 64 }, () => piece))
      model.finish()
      expect((await call).status).toBe(201)
    }
    let text = ""
    unread.on("data", (chunk: Buffer) => (text += chunk.toString()))
    unread.resume()
    await cut
    const ids = [...text.matchAll(/^id: (\S+)$/gm)].map((match) => match[1]!)
    const seen = text.split('"type":"reply.ended"').length - 1
    expect(seen).toBeLessThan(14)
    const resumed = await user.follow(conversationId, {}, `?after=${ids.at(-2)}`)
    expect(resumed.frames[0]).toMatchObject({ messages: null })
    for (let end = seen; end < 14; end += 1) await resumed.next("reply.ended")
    resumed.cut()
  })

  /** A connection whose answer is left unread. */
  async function openUnread(): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${user.token}` }
    const asked = request(`${engine.url}/conversations/${conversationId}/events`, { headers, agent: false })
    asked.end()
    const [response] = (await once(asked, "response")) as [IncomingMessage]
    response.pause()
    return response
  }
})

describeDatabases("an open event stream", (database) => {
  afterEach(() => vi.useRealTimers())

  test("gets a comment every 15 s, while nothing happens", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    const model = new ScriptedModel()
    const env = { DRAIN_TIMEOUT_MS: "0" }
    const engine = await startTestEngine({ database: database(), script: model.script, env })
    const user = await engine.user()
    const conversationId = await user.today()
    const streams = [await user.follow(conversationId), await user.sayOverHttp(conversationId, randomUUID(), "go")]
    for (let times = 1; times <= 3; times += 1) {
      vi.advanceTimersByTime(14_999)
      for (const stream of streams) expect(stream.comments).toBe(times - 1)
      vi.advanceTimersByTime(1)
      for (const stream of streams) await stream.commented(times)
    }
    for (const stream of streams) stream.cut()
    await engine.close()
  })
})
