import { randomUUID } from "node:crypto"
import type { Turn } from "@grizz/protocol"
import { afterEach, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import type { SseStream } from "../support/sse.ts"
import { foldText } from "../support/wire.ts"

describeDatabases("POST …/messages", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string
  let path: string

  beforeEach(async () => {
    model = new ScriptedModel()
    engine = await startTestEngine({ database: database(), script: model.script, env: { DRAIN_TIMEOUT_MS: "0" } })
    user = await engine.user()
    conversationId = await user.today()
    path = `/conversations/${conversationId}/messages`
  })
  afterEach(() => engine.close())

  const types = (stream: SseStream) => stream.frames.map(({ type }) => type)
  const wholeTurn = ["message.added", "reply.started", "reply.delta", "reply.ended"]

  test("streams the turn: the head before the model answers, one event each with its cursor as id, then the end", async () => {
    const id = randomUUID()
    const stream = await user.sayOverHttp(conversationId, id, "Hi 🐻")
    expect(stream.response.headers.get("content-type")).toMatch(/^text\/event-stream/)
    expect(stream.response.headers.get("cache-control")).toBe("no-store")
    expect(stream.response.headers.get("x-accel-buffering")).toBe("no")
    expect(stream.response.headers.get("x-content-type-options")).toBe("nosniff")
    const added = await stream.next("message.added")
    expect(added.message).toMatchObject({ id, content: "Hi 🐻", position: 0 })
    model.say("Hel", "lo")
    model.finish()
    const ended = await stream.next("reply.ended")
    expect(ended).toMatchObject({ reply_id: added.reply_id, status: "completed", message: { content: "Hello" } })
    expect(foldText(stream.frames, added.reply_id)).toBe("Hello")
    expect(await stream.ended).toBe(true)
    for (const { id: cursor, frame } of stream.events) expect(frame).toMatchObject({ cursor })
    expect(stream.otherLines).toEqual([])
  })

  test("without asking for a stream it answers 201 with both messages when the reply has ended, and so does a repeat", async () => {
    const body = { id: randomUUID(), content: "Hi", metadata: { mood: "fine" } }
    const answer = user.request<Turn>("POST", path, body)
    model.say("Hello")
    model.finish()
    const { status, body: turn } = await answer
    expect(status).toBe(201)
    expect(turn.message).toMatchObject({ id: body.id, content: "Hi", status: "sent", metadata: { mood: "fine" } })
    expect(turn.reply).toMatchObject({ role: "assistant", content: "Hello", status: "completed", position: 1 })
    expect(await user.request("POST", path, body)).toEqual({ status: 201, body: turn })
    const history = await user.request<{ data: unknown[] }>("GET", path)
    expect(history.body.data).toEqual([turn.message, turn.reply])
    expect(engine.modelCalls()).toBe(1)
  })

  test("a repeat while the reply runs joins it, as a stream from its start and as a call", async () => {
    const id = randomUUID()
    const first = await user.sayOverHttp(conversationId, id, "go")
    model.say("so far, ")
    const { reply_id } = await first.next("reply.delta")
    const again = await user.sayOverHttp(conversationId, id, "go")
    const call = user.request<Turn>("POST", path, { id, content: "go" })
    expect(await again.next("reply.delta")).toMatchObject({ text: "so far, " })
    model.say("so good")
    model.finish()
    const ended = await first.next("reply.ended")
    expect(await again.next("reply.ended")).toEqual(ended)
    expect(types(again).slice(0, 3)).toEqual(["message.added", "reply.started", "reply.delta"])
    expect(foldText(again.frames, reply_id)).toBe("so far, so good")
    expect((await call).body.reply).toEqual(ended.message)
    expect(engine.modelCalls()).toBe(1)
  })

  test("a repeat long after the end gets the whole turn again, and nothing of what came later", async () => {
    const id = randomUUID()
    const first = await user.sayOverHttp(conversationId, id, "one")
    model.say("eins")
    model.finish()
    const ended = await first.next("reply.ended")
    const later = await user.sayOverHttp(conversationId, randomUUID(), "two")
    model.say("zwei")
    model.finish()
    await later.ended
    const again = await user.sayOverHttp(conversationId, id, "one")
    expect(await again.ended).toBe(true)
    expect(types(again)).toEqual(wholeTurn)
    expect(await again.next("reply.ended")).toEqual(ended)
    expect(foldText(again.frames, ended.reply_id)).toBe("eins")
  })

  test("a repeat of a message that waits its turn hears its reply from the first event", async () => {
    const running = await user.sayOverHttp(conversationId, randomUUID(), "one")
    await running.next("reply.started")
    const id = randomUUID()
    const first = await user.sayOverHttp(conversationId, id, "two")
    await first.next("message.added")
    const again = await user.sayOverHttp(conversationId, id, "two")
    await again.next("message.added")
    model.say("eins")
    model.finish()
    await running.ended
    await again.next("reply.started")
    model.say("zwei")
    model.finish()
    for (const stream of [first, again]) {
      expect(await stream.next("reply.ended")).toMatchObject({ message: { content: "zwei" } })
      expect(types(stream)).toEqual(wholeTurn)
    }
  })

  test("fifty sends of one message at once are one turn, that all of them hear", async () => {
    const id = randomUUID()
    const call = async () => {
      const { body } = await user.request<Turn>("POST", path, { id, content: "once" })
      return body.reply.content
    }
    const stream = async () => {
      const events = await user.sayOverHttp(conversationId, id, "once")
      const { message } = await events.next("reply.ended")
      return types(events).slice(0, 2).join() === "message.added,reply.started" ? message.content : types(events)
    }
    const answers = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? call() : stream()))
    model.say("Hello")
    model.finish()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["Hello"]))
    expect(engine.modelCalls()).toBe(1)
  })

  test("every id is a cursor from which the conversation's events go on", async () => {
    const id = randomUUID()
    const first = await user.sayOverHttp(conversationId, id, "one")
    model.say("eins")
    model.finish()
    await first.ended
    const again = await user.sayOverHttp(conversationId, id, "one")
    await again.ended
    // What came before a turn is not known to its repeat, so its first cursor is answered by a snapshot.
    for (const events of [first.events, again.events.slice(1)]) {
      for (const [index, { id: cursor }] of events.entries()) {
        const wire = await user.connect(conversationId, cursor!)
        expect(wire.frames[0]).toMatchObject({ cursor, messages: null })
        const rest = events.slice(index + 1).map(({ frame }) => frame)
        if (rest.length > 0) await wire.next("reply.ended")
        expect(wire.frames.slice(1)).toEqual(rest)
        wire.close()
      }
    }
    const wire = await user.connect(conversationId, again.events[0]!.id!)
    expect(wire.frames[0]).toMatchObject({ messages: [{ content: "one" }, { content: "eins" }] })
  })

  test("a turn hears that its message was erased, and is gone for a repeat; ids know of every erasure", async () => {
    const before = randomUUID()
    const first = user.request<Turn>("POST", path, { id: before, content: "before" })
    model.finish()
    await first
    await user.request("DELETE", `${path}/${before}`)
    const id = randomUUID()
    const stream = await user.sayOverHttp(conversationId, id, "my secret")
    model.say("half")
    const { cursor } = await stream.next("reply.delta")
    expect((await user.connect(conversationId, cursor)).frames[0]).toMatchObject({ cursor, messages: null })
    await user.request("DELETE", `${path}/${id}`)
    expect(await stream.next("message.removed")).toMatchObject({ message_id: id })
    const ended = await stream.next("reply.ended")
    expect(ended).toMatchObject({ status: "stopped" })
    const resumed = await user.connect(conversationId, ended.cursor)
    expect(resumed.frames[0]).toMatchObject({ cursor: ended.cursor, messages: null })
    const again = await user.request("POST", path, { id, content: "my secret" })
    expect(again).toMatchObject({ status: 404, body: { code: "not_found" } })
  })

  test("a failed reply is a 201 too, whose status says so", async () => {
    const answer = user.request<Turn>("POST", path, { id: randomUUID(), content: "go" })
    model.say("half", { cut: true })
    expect(await answer).toMatchObject({ status: 201, body: { reply: { status: "failed", content: "half" } } })
  })

  test("a client that goes away does not stop the reply", async () => {
    const id = randomUUID()
    const stream = await user.sayOverHttp(conversationId, id, "go")
    model.say("half, ")
    await stream.next("reply.delta")
    const abort = new AbortController()
    const headers = { authorization: `Bearer ${user.token}`, "content-type": "application/json" }
    const init = { method: "POST", headers, body: JSON.stringify({ id, content: "go" }), signal: abort.signal }
    const waiting = fetch(`${engine.url}${path}`, init)
    stream.cut()
    abort.abort()
    await expect(waiting).rejects.toThrow(/abort/)
    model.say("whole")
    model.finish()
    const { body } = await user.request<Turn>("POST", path, { id, content: "go" })
    expect(body.reply).toMatchObject({ status: "completed", content: "half, whole" })
  })

  test.each(["text/event-stream", "application/json"])(
    "what is refused is a problem, whatever is accepted: %s",
    async (accept) => {
      const headers = { authorization: `Bearer ${user.token}`, "content-type": "application/json", accept }
      const post = async (body: string, to = path, more = {}) => {
        const response = await fetch(`${engine.url}${to}`, { method: "POST", headers: { ...headers, ...more }, body })
        expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/)
        return [response.status, ((await response.json()) as { code: string }).code]
      }
      const id = randomUUID()
      const call = user.request("POST", path, { id, content: "one" })
      model.finish()
      await call
      const message = (content: string, messageId: string = randomUUID()) => JSON.stringify({ id: messageId, content })
      expect(await post(message("other", id))).toEqual([409, "conflict"])
      expect(await post(message(" "))).toEqual([400, "invalid_request"])
      expect(await post(message("a", "no-uuid"))).toEqual([400, "invalid_request"])
      expect(await post("{")).toEqual([400, "invalid_request"])
      expect(await post(message("x".repeat(300_000)))).toEqual([413, "too_large"])
      expect(await post(message("a"), `/conversations/${randomUUID()}/messages`)).toEqual([404, "not_found"])
      expect(await post(message("a"), "/conversations/no-uuid/messages")).toEqual([404, "not_found"])
      expect(await post(message("a"), path, { authorization: "Bearer x" })).toEqual([401, "unauthenticated"])
      const stranger = await engine.user()
      expect(await post(message("a"), path, { authorization: `Bearer ${stranger.token}` })).toEqual([404, "not_found"])
    },
  )

  test("deleting the conversation ends both ways of waiting", async () => {
    const stream = await user.sayOverHttp(conversationId, randomUUID(), "go")
    const { message } = await stream.next("message.added")
    await stream.next("reply.started")
    const call = user.request("POST", path, { id: message.id, content: "go" })
    // It waits once its repeat was answered, which is after the statement that finds the turn.
    while (!engine.takeStatements().includes("grizz_find_turn")) await new Promise(setImmediate)
    await user.request("DELETE", `/conversations/${conversationId}`)
    expect(await stream.ended).toBe(true)
    expect(await call).toMatchObject({ status: 404, body: { code: "not_found" } })
  })

  test("a shutdown ends both ways of waiting, and the node is done", async () => {
    const stream = await user.sayOverHttp(conversationId, randomUUID(), "go")
    await stream.next("reply.started")
    await engine.drain()
    expect(await stream.ended).toBe(true)
  })
})

describeDatabases("POST …/messages under CONCURRENT_SENDS=reject", (database) => {
  test.each(["text/event-stream", "application/json"])(
    "a second message is 409 reply_in_progress: %s",
    async (accept) => {
      const model = new ScriptedModel()
      const env = { DRAIN_TIMEOUT_MS: "0", CONCURRENT_SENDS: "reject" }
      const engine = await startTestEngine({ database: database(), script: model.script, env })
      const user = await engine.user()
      const conversationId = await user.today()
      const stream = await user.sayOverHttp(conversationId, randomUUID(), "one")
      await stream.next("reply.started")
      const response = await fetch(`${engine.url}/conversations/${conversationId}/messages`, {
        method: "POST",
        headers: { authorization: `Bearer ${user.token}`, "content-type": "application/json", accept },
        body: JSON.stringify({ id: randomUUID(), content: "two" }),
      })
      expect([response.status, await response.json()]).toMatchObject([409, { code: "reply_in_progress" }])
      await engine.close()
    },
  )
})
