import { randomUUID } from "node:crypto"
import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { SseStream } from "../support/sse.ts"
import { foldText, Wire } from "../support/wire.ts"

const minute = 60_000

describe(`a token that expires in the middle of a reply on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  let model: ScriptedModel
  let nowMs: number
  /** With a token for 10 minutes. */
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    model = new ScriptedModel()
    nowMs = Math.floor(Date.now() / 1000) * 1000
    const clock = { now: () => nowMs }
    engine = await startTestEngine({ database: opened.database, script: model.script, clock })
    user = await engine.user(undefined, 600)
    conversationId = await user.today()
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
  })

  const renewed = () => engine.user(user.id, 3600)

  /** Lets the token expire. Resolves when the engine has looked at all connections, and has closed an idle one. */
  async function expire(): Promise<void> {
    const { id } = (await user.request<{ id: string }>("POST", "/conversations")).body
    const idle = await user.connect(id)
    nowMs += 11 * minute
    expect((await idle.closed).code).toBe(4401)
  }

  async function history() {
    const path = `/conversations/${conversationId}/messages`
    return (await (await renewed()).request<MessagePage>("GET", path)).body.data
  }

  test("its event stream hears the rest and the end, and is over; with a new token it goes on where it was", async () => {
    const stream = await user.follow(conversationId)
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    const { reply_id } = await stream.next("reply.started")
    model.say("before, ")
    await stream.next("reply.delta")
    await expire()
    model.say("and after")
    model.finish()
    const ended = await stream.next("reply.ended")
    expect(await stream.ended).toBe(true)
    expect((await wire.closed).code).toBe(4401)
    const stored = (await history())[1]!
    expect(ended.message).toEqual(stored)
    for (const { frames } of [stream, wire]) expect(foldText(frames, reply_id)).toBe(stored.content)

    const cursor = stream.events.findLast(({ id }) => id !== null)!.id!
    await expect(user.follow(conversationId, { headers: { "last-event-id": cursor } })).rejects.toThrow(/^401 /)
    const refused = await Wire.open(user.socketUrl(conversationId, `&after=${cursor}`), "grizz.v1")
    expect((await refused.closed).code).toBe(4401)
    expect(refused.frames).toEqual([])

    const again = await (await renewed()).follow(conversationId, { headers: { "last-event-id": cursor } })
    const fresh = await (await renewed()).connect(conversationId)
    fresh.say(randomUUID(), "still there?")
    model.say("yes")
    model.finish()
    await again.next("reply.ended")
    const types = again.frames.map(({ type }) => type)
    expect(types).toEqual(["ready", "message.added", "reply.started", "reply.delta", "reply.ended"])
    again.cut()
  })

  test("a call that said something before gets its whole turn, streamed or not", async () => {
    const path = `/conversations/${conversationId}/messages`
    const stream = await user.sayOverHttp(conversationId, randomUUID(), "streamed")
    await stream.next("reply.started")
    const waiting = user.request<{ reply: { content: string } }>("POST", path, {
      id: randomUUID(),
      content: "waited for",
    })
    await expect.poll(queued).toBe(1)
    await expire()
    model.say("one")
    model.finish()
    expect((await stream.next("reply.ended")).message.content).toBe("one")
    expect(await stream.ended).toBe(true)
    model.say("two")
    model.finish()
    expect(await waiting).toMatchObject({ status: 201, body: { reply: { content: "two", status: "completed" } } })
    expect((await user.request("POST", path, { id: randomUUID(), content: "too late" })).status).toBe(401)
    expect((await history()).map(({ content }) => content)).toEqual(["streamed", "one", "waited for", "two"])
  })

  /** How many replies wait, as a new connection is told. */
  async function queued(): Promise<number | undefined> {
    const { socket, frames } = await user.connect(conversationId)
    socket.terminate()
    return frames[0]?.type === "ready" ? frames[0].queued?.length : undefined
  }

  test("a reply that waited its turn is not lost with its connection, and nobody else's connection ends", async () => {
    const stranger = await engine.user(undefined, 3600)
    const theirs = await stranger.connect(await stranger.today())
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "one")
    await wire.next("reply.started")
    wire.say(randomUUID(), "two")
    const { cursor } = await wire.next("message.added")
    await expire()
    model.say("eins")
    model.finish()
    expect((await wire.closed).code).toBe(4401)
    model.say("zwei")
    model.finish()
    const again = await (await renewed()).connect(conversationId, cursor)
    await again.next("reply.ended")
    await again.next("reply.ended")
    const messages = await history()
    expect(messages.map(({ content }) => content)).toEqual(["one", "eins", "two", "zwei"])
    for (const { id, role, content } of messages)
      if (role === "assistant") expect(foldText(again.frames, id)).toBe(content)
    expect(again.frames.filter(({ type }) => type === "message.added")).toEqual([])
    theirs.send({ type: "ping" })
    await theirs.next("pong")
    expect(theirs.frames.map(({ type }) => type)).toEqual(["ready", "pong"])
  })

  test("a ticket made before it expired opens nothing for longer than it", async () => {
    const { body } = await user.request<{ ticket: string }>("POST", "/ws/tickets")
    const url = `${engine.url}/conversations/${conversationId}/events?ticket=${body.ticket}`
    const stream = await SseStream.open(url)
    await stream.next("ready")
    nowMs += 11 * minute
    expect(await stream.ended).toBe(true)
    expect(stream.frames.map(({ type }) => type)).toEqual(["ready", "auth.expiring"].slice(0, stream.frames.length))
    await expect(SseStream.open(url)).rejects.toThrow(/^401 /)
  })
})
