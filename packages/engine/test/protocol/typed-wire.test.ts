import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, expect, test } from "vitest"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { foldText, type Wire } from "../support/wire.ts"

describeDatabases("grizz.v1", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    model = new ScriptedModel()
    // A reply that an earlier test's engine handed over would be taken up, and eat what this model is told to say.
    await sql(database(), "delete from public.conversations")
    engine = await startTestEngine({ database: database(), script: model.script, env: { DRAIN_TIMEOUT_MS: "0" } })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(() => engine.close())

  /** A whole turn, seen by this connection. */
  async function turn(wire: Wire, text: string, ...answer: string[]) {
    wire.say(randomUUID(), text)
    model.say(...answer)
    model.finish()
    return wire.next("reply.ended")
  }

  test("a message is acknowledged, its reply streams, and history has both", async () => {
    const wire = await user.connect(conversationId)
    const id = randomUUID()
    wire.send({ type: "message.send", id, content: "Hi 🐻", metadata: { mood: "fine" } })
    const added = await wire.next("message.added")
    expect(added.message).toMatchObject({
      id,
      position: 0,
      role: "user",
      content: "Hi 🐻",
      status: "sent",
      metadata: { mood: "fine" },
    })
    const started = await wire.next("reply.started")
    expect(started).toMatchObject({ reply_id: added.reply_id, message_id: id, attempt: 1 })
    model.say("Hello ", "you")
    model.finish()
    const ended = await wire.next("reply.ended")
    expect(ended).toMatchObject({ status: "completed", error: null })
    expect(ended.usage?.output_tokens).toBeGreaterThan(0)
    expect(foldText(wire.frames, added.reply_id)).toBe("Hello you")
    const history = await user.request("GET", `/conversations/${conversationId}/messages`)
    expect(history.body).toEqual({ data: [added.message, ended.message], next_cursor: null })
  })

  test("a fresh connection gets a snapshot of an empty day", async () => {
    const wire = await user.connect("today")
    expect(wire.frames[0]).toMatchObject({
      type: "ready",
      conversation: { id: conversationId },
      messages: [],
      reply: null,
      queued: [],
    })
  })

  test("a turn is two statements and one model call", async () => {
    const wire = await user.connect(conversationId)
    engine.takeStatements()
    await turn(wire, "one", "two")
    expect(
      engine
        .takeStatements()
        .filter((name) => !/lease|take_over|late_conversations|derivation|index_messages/.test(name)),
    ).toHaveLength(2)
    expect(engine.modelCalls()).toBe(1)
  })

  test("connecting is one statement, also with a cursor", async () => {
    const wire = await user.connect(conversationId)
    const { cursor } = await turn(wire, "one", "two")
    engine.takeStatements()
    await user.connect(conversationId)
    await user.connect(conversationId, cursor)
    expect(
      engine
        .takeStatements()
        .filter((name) => !/lease|take_over|late_conversations|derivation|index_messages/.test(name)),
    ).toHaveLength(2)
  })

  test("a repeat joins the first send: one row, one reply, one model call", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    const id = randomUUID()
    for (let time = 0; time < 25; time++) {
      wire.say(id, "once")
      other.say(id, "once")
    }
    const added = await wire.next("message.added")
    for (let time = 0; time < 24; time++) {
      expect(await wire.next("message.accepted")).toMatchObject({ message_id: id, reply_id: added.reply_id })
    }
    model.finish()
    await wire.next("reply.ended")
    wire.say(id, "once")
    expect(await wire.next("message.accepted")).toMatchObject({ reply_id: added.reply_id })
    expect(engine.modelCalls()).toBe(1)
    const history = await user.request<{ data: unknown[] }>("GET", `/conversations/${conversationId}/messages`)
    expect(history.body.data).toHaveLength(2)
  })

  test("an id with other content, or in use elsewhere, is a conflict", async () => {
    const wire = await user.connect(conversationId)
    const id = randomUUID()
    wire.say(id, "first")
    await wire.next("message.added")
    wire.say(id, "second")
    expect(await wire.next("error")).toMatchObject({ code: "conflict", ref: id })
    const stranger = await engine.user()
    const theirs = await stranger.connect(await stranger.today())
    theirs.say(id, "first")
    expect(await theirs.next("error")).toMatchObject({ code: "conflict", ref: id })
  })

  test("a reply goes on without a reader, and a reader that comes back gets the rest from the exact character", async () => {
    const pieces = Array.from({ length: 60 }, (_, index) => `piece ${index} 🐻 `)
    const first = await user.connect(conversationId)
    const id = randomUUID()
    first.say(id, "go")
    const added = await first.next("message.added")
    await first.next("reply.started")
    let text = ""
    let cursor = ""
    let wire = first
    for (const piece of pieces) {
      model.say(piece)
      const delta = await wire.next("reply.delta")
      text += delta.text
      cursor = delta.cursor
      wire.socket.terminate()
      wire = await user.connect(conversationId, cursor)
      expect(wire.frames[0]).toMatchObject({ cursor, messages: null, reply: null, queued: null })
    }
    wire.socket.terminate()
    model.say("the end")
    model.finish()
    wire = await user.connect(conversationId, cursor)
    const ended = await wire.next("reply.ended")
    text += foldText(wire.frames, added.reply_id)
    expect(text).toBe(`${pieces.join("")}the end`)
    expect(ended.message.content).toBe(text)
  })

  test("a snapshot in the middle of a reply has its text so far, and the rest follows", async () => {
    const first = await user.connect(conversationId)
    first.say(randomUUID(), "go")
    model.say("so far, ")
    const { reply_id } = await first.next("reply.delta")
    const second = await user.connect(conversationId)
    expect(second.frames[0]).toMatchObject({
      reply: { reply_id, attempt: 1, text: "so far, " },
      messages: [{ content: "go" }],
    })
    model.say("so good")
    model.finish()
    await second.next("reply.ended")
    expect(foldText(second.frames, reply_id)).toBe("so far, so good")
  })

  test("a cursor resumes after the end, over several turns, each event once", async () => {
    const wire = await user.connect(conversationId)
    const firstEnd = await turn(wire, "one", "eins")
    const secondEnd = await turn(wire, "two", "zwei")
    const late = await user.connect(conversationId, firstEnd.cursor)
    await late.next("reply.ended")
    expect(late.frames.slice(1).map(({ type }) => type)).toEqual([
      "message.added",
      "reply.started",
      "reply.delta",
      "reply.ended",
    ])
    expect(late.frames.at(-1)).toEqual(secondEnd)
    const latest = await user.connect(conversationId, secondEnd.cursor)
    const third = await turn(latest, "three", "drei")
    expect(latest.frames.map(({ type }) => type)).toEqual([
      "ready",
      "message.added",
      "reply.started",
      "reply.delta",
      "reply.ended",
    ])
    expect(third.message.content).toBe("drei")
  })

  test.each(["zzzzzz.0.0.0.e", "0.zzzzzz.0.0.e", "zik0zk.0.0.0.e", "1.2.9.0", "1.2.9.0.e", "1.2.1.zzz.e"])(
    "a cursor of this conversation that never was gives a snapshot: %s",
    async (rest) => {
      const { cursor } = await turn(await user.connect(conversationId), "one", "eins")
      const wire = await user.connect(conversationId, `${cursor.split(".")[0]}.${rest}`)
      expect(wire.frames[0]).toMatchObject({ messages: [{ content: "one" }, { content: "eins" }], reply: null })
    },
  )

  test.each(["", "nonsense", "a".repeat(600), "AAAAAAAAAAAAAAAAAAAAAA.1.1.1.1", "%00"])(
    "a cursor that cannot be honoured gives a snapshot: %j",
    async (after) => {
      await turn(await user.connect(conversationId), "one", "eins")
      const wire = await user.connect(conversationId, after)
      expect(wire.frames[0]).toMatchObject({
        messages: [{ content: "one" }, { content: "eins" }],
        reply: null,
        queued: [],
      })
    },
  )

  test("another conversation's cursor, and one from the future, give a snapshot", async () => {
    const { cursor } = await turn(await user.connect(conversationId), "one", "eins")
    const created = await user.request<{ id: string }>("POST", "/conversations", { title: "aside" })
    const elsewhere = await user.connect(created.body.id, cursor)
    expect(elsewhere.frames[0]).toMatchObject({ messages: [], queued: [] })
    const parts = cursor.split(".")
    const future = await user.connect(conversationId, [parts[0], "zz", "zz", ...parts.slice(3)].join("."))
    expect(future.frames[0]).toMatchObject({ messages: [{ content: "one" }, { content: "eins" }] })
    const beyond = await user.connect(conversationId, [...parts.slice(0, 4), "zz"].join("."))
    expect(beyond.frames[0]).toMatchObject({ messages: [{ content: "one" }, { content: "eins" }] })
  })

  test("two devices get the same events in the same order", async () => {
    const [phone, laptop] = [await user.connect(conversationId), await user.connect(conversationId)]
    await turn(phone, "from the phone", "a", "b")
    await turn(laptop, "from the laptop", "c", "d")
    await phone.next("reply.ended")
    await laptop.next("reply.ended")
    const essence = (wire: Wire) => wire.frames.slice(1).filter(({ type }) => type !== "reply.delta")
    expect(essence(phone)).toEqual(essence(laptop))
    expect(foldText(phone.frames, phone.frames.findLast((f) => f.type === "reply.ended")!.reply_id)).toBe("cd")
  })

  test("a second message waits its turn, and its reply sees the first one's", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "one")
    const first = await wire.next("reply.started")
    wire.say(randomUUID(), "two")
    const second = await wire.next("message.added")
    const snapshot = await user.connect(conversationId)
    expect(snapshot.frames[0]).toMatchObject({
      reply: { reply_id: first.reply_id },
      queued: [{ reply_id: second.reply_id, message_id: second.message.id }],
    })
    model.say("eins")
    model.finish()
    await wire.next("reply.ended")
    expect(await wire.next("reply.started")).toMatchObject({ reply_id: second.reply_id })
    model.say("zwei")
    model.finish()
    expect((await wire.next("reply.ended")).message).toMatchObject({ position: 3, content: "zwei" })
    expect(model.asked).toEqual(["one", "eins", "two"])
  })

  test("the context is the ten newest messages, the new one counted in", async () => {
    const wire = await user.connect(conversationId)
    for (let index = 0; index < 6; index++) await turn(wire, `question ${index}`, `answer ${index}`)
    await turn(wire, "the last", "bye")
    expect(model.asked).toHaveLength(10)
    expect(model.asked[0]).toBe("answer 1")
    expect(model.asked.at(-1)).toBe("the last")
  })

  test("a stop keeps the text so far, and hangs up on the model", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    wire.say(randomUUID(), "go")
    model.say("half of")
    const { reply_id } = await wire.next("reply.delta")
    other.send({ type: "reply.stop", reply_id })
    const ended = await wire.next("reply.ended")
    expect(ended).toMatchObject({ status: "stopped", error: null, message: { content: "half of", status: "stopped" } })
    await new Promise<void>((resolve) => {
      if (model.signal.aborted) resolve()
      else model.signal.addEventListener("abort", () => resolve())
    })
    expect((await user.request("POST", `/replies/${reply_id}/stop`)).status).toBe(202)
  })

  test("a queued reply that is stopped ends without a model call", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "one")
    await wire.next("reply.started")
    wire.say(randomUUID(), "two")
    const { reply_id } = await wire.next("message.added")
    expect((await user.request("POST", `/replies/${reply_id}/stop`)).status).toBe(202)
    model.finish()
    await wire.next("reply.ended")
    expect(await wire.next("reply.ended")).toMatchObject({ reply_id, status: "stopped", message: { content: "" } })
    expect(engine.modelCalls()).toBe(1)
  })

  test.each([
    ["model_unavailable", { status: 500 }],
    ["model_unavailable", { cut: true }],
    ["model_refused", { finish: "content_filter" }],
    ["model_invalid", { finish: "tool_calls" }],
  ] as const)("a model that fails ends the reply as failed: %s %j", async (code, step) => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    if ("status" in step) model.say(step, step, step)
    else model.say("so far", step)
    const ended = await wire.next("reply.ended")
    expect(ended).toMatchObject({ status: "failed", error: { code }, message: { status: "failed" } })
    expect(ended.error?.message).toMatch(/^[A-Z].*\.$/)
    expect(ended.message.content).toBe(foldText(wire.frames, ended.reply_id))
    expect((await turn(wire, "again", "fine")).message.content).toBe("fine")
  })

  test("an erased message leaves history and every device, and a device that missed it gets a snapshot", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    const { cursor } = await turn(wire, "my secret", "noted")
    const { message } = await other.next("message.added")
    await other.next("reply.ended")
    expect((await user.request("DELETE", `/conversations/${conversationId}/messages/${message.id}`)).status).toBe(204)
    for (const device of [wire, other]) {
      const removed = await device.next("message.removed")
      expect(removed.message_id).toBe(message.id)
      const resumed = await user.connect(conversationId, removed.cursor)
      expect(resumed.frames[0]).toMatchObject({ messages: null })
    }
    const late = await user.connect(conversationId, cursor)
    expect(late.frames[0]).toMatchObject({ messages: [{ content: "noted", position: 1 }], reply: null })
    expect((await user.request("DELETE", `/conversations/${conversationId}/messages/${message.id}`)).status).toBe(404)
    await turn(wire, "what did I say?", "I cannot know")
    expect(model.asked).toEqual(["noted", "what did I say?"])
  })

  test("erasing what is being answered stops the answer", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "my secret")
    const { message } = await wire.next("message.added")
    model.say("half")
    await wire.next("reply.delta")
    await user.request("DELETE", `/conversations/${conversationId}/messages/${message.id}`)
    expect(await wire.next("reply.ended")).toMatchObject({ status: "stopped" })
  })

  test("deleting a conversation stops its reply and closes its sockets with 4404", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    model.say("half")
    await wire.next("reply.delta")
    expect((await user.request("DELETE", `/conversations/${conversationId}`)).status).toBe(204)
    expect((await wire.closed).code).toBe(4404)
    expect((await user.request("GET", `/conversations/${conversationId}`)).status).toBe(404)
    await expect.poll(() => model.signal.aborted).toBe(true)
  })

  test("a shutdown hangs up on the model after its grace, keeps the text, and closes sockets with 1012", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    model.say("so far")
    const { reply_id } = await wire.next("reply.delta")
    await engine.drain()
    expect((await wire.closed).code).toBe(1012)
    await expect.poll(() => model.signal.aborted).toBe(true)
    // It is not ended: the next owner goes on with it.
    expect(wire.frames.some(({ type }) => type === "reply.ended")).toBe(false)
    const saved = await sql(database(), "select status, text from grizz.replies where id = $1::uuid", [reply_id])
    expect(saved).toEqual([{ status: "running", text: "so far" }])
  })
})
