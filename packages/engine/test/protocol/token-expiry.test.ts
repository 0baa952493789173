import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { Wire } from "../support/wire.ts"

const minute = 60_000

describeDatabases("a connection whose token expires", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  /** With a token for 10 minutes. */
  let user: TestUser
  let conversationId: string
  let nowMs: number
  let expiresAt: string

  beforeEach(async () => {
    model = new ScriptedModel()
    nowMs = Math.floor(Date.now() / 1000) * 1000
    const clock = { now: () => nowMs }
    engine = await startTestEngine({
      database: database(),
      script: model.script,
      env: { DRAIN_TIMEOUT_MS: "0" },
      clock,
    })
    user = await engine.user(undefined, 600)
    expiresAt = new Date(nowMs + 10 * minute).toISOString()
    conversationId = await user.today()
  })
  afterEach(() => engine.close())

  const refreshed = async () => (await engine.user(user.id, 3600)).token

  test("hears of it a minute before, once, and goes on with a new token", async () => {
    const wire = await user.connect(conversationId)
    nowMs += 9 * minute
    expect(await wire.next("auth.expiring")).toEqual({ type: "auth.expiring", expires_at: expiresAt })
    wire.send({ type: "auth.refresh", token: await refreshed() })
    nowMs += 2 * minute
    wire.say(randomUUID(), "still here")
    await wire.next("message.added")
    model.finish()
    await wire.next("reply.ended")
    expect(wire.frames.filter(({ type }) => type === "auth.expiring")).toHaveLength(1)
    nowMs += 57 * minute
    await wire.next("auth.expiring")
  })

  test("is closed with 4401 where no reply runs, in either mode", async () => {
    const wires = [await user.connect(conversationId), await user.connectPlain(conversationId)]
    const stream = await user.follow(conversationId)
    nowMs += 10 * minute
    for (const wire of wires) expect((await wire.closed).code).toBe(4401)
    expect(await stream.ended).toBe(true)
    expect(wires[1]!.texts).toEqual([])
  })

  test("may not send any more, in either mode, while the running reply finishes; then it is closed", async () => {
    const [wire, plain] = [await user.connect(conversationId), await user.connectPlain(conversationId)]
    const stream = await user.follow(conversationId)
    plain.socket.send("go")
    const { reply_id } = await wire.next("reply.started")
    wire.say(randomUUID(), "queued")
    await wire.next("message.added")
    const idle = await user.connect((await user.request<{ id: string }>("POST", "/conversations")).body.id)
    nowMs += 10 * minute
    // Its end shows that the others, whose time is up too, were looked at and left open.
    expect((await idle.closed).code).toBe(4401)
    const id = randomUUID()
    wire.say(id, "too late")
    expect(await wire.next("error")).toMatchObject({ code: "unauthenticated", ref: id })
    for (const type of ["reply.stop", "reply.retry"]) {
      wire.send({ type, reply_id })
      expect(await wire.next("error")).toMatchObject({ code: "unauthenticated", ref: reply_id })
    }
    wire.send({ type: "ping" })
    await wire.next("pong")
    plain.socket.send("too late")
    await plain.until((text) => text.includes("[Error: The token has expired.]"))
    nowMs += 4 * minute
    model.say("the rest")
    model.finish()
    expect(await wire.next("reply.ended")).toMatchObject({ status: "completed", message: { content: "the rest" } })
    await plain.until((text) => text.endsWith("the rest"))
    expect((await wire.closed).code).toBe(4401)
    expect((await plain.closed).code).toBe(4401)
    expect(await stream.ended).toBe(true)
  })

  test("is closed five minutes later whatever runs", async () => {
    const wire = await user.connect(conversationId)
    const stream = await user.follow(conversationId)
    wire.say(randomUUID(), "go")
    await wire.next("reply.started")
    nowMs += 15 * minute
    expect((await wire.closed).code).toBe(4401)
    expect(await stream.ended).toBe(true)
    expect(wire.frames.map(({ type }) => type)).not.toContain("reply.ended")
  })

  test("comes back to life by a new token while it may still listen", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    await wire.next("reply.started")
    nowMs += 11 * minute
    wire.send({ type: "auth.refresh", token: await refreshed() })
    const id = randomUUID()
    // At once: what follows a token waits for it.
    wire.say(id, "again")
    expect((await wire.next("message.added")).message.id).toBe(id)
    expect(wire.frames.map(({ type }) => type)).not.toContain("error")
  })

  test("a bad token is an error, and another user's closes with 4401", async () => {
    const wire = await user.connect(conversationId)
    for (const token of ["nonsense", `${user.token.slice(0, -4)}AAAA`]) {
      wire.send({ type: "auth.refresh", token })
      expect(await wire.next("error")).toMatchObject({ code: "unauthenticated", ref: null })
    }
    wire.send({ type: "auth.refresh" })
    expect(await wire.next("error")).toMatchObject({ code: "invalid_request" })
    const stranger = await engine.user()
    wire.send({ type: "auth.refresh", token: stranger.token })
    expect((await wire.closed).code).toBe(4401)
    for (const secret of [user.token, stranger.token]) expect(engine.log.join("")).not.toContain(secret)
  })

  test("an older token shortens nothing", async () => {
    const wire = await user.connect(conversationId)
    wire.send({ type: "auth.refresh", token: (await engine.user(user.id, 5)).token })
    wire.send({ type: "ping" })
    await wire.next("pong")
    nowMs += minute
    wire.say(randomUUID(), "still here")
    await wire.next("message.added")
  })

  test("a ticket opens one socket, before a token in the URL, and lasts no longer than the token that made it", async () => {
    const { status, body } = await user.request<{ ticket: string; expires_at: string }>("POST", "/ws/tickets")
    expect(status).toBe(201)
    expect(Object.keys(body).sort()).toEqual(["expires_at", "ticket"])
    const url = `${engine.url.replace("http", "ws")}/ws/chat/${conversationId}`
    const wire = await Wire.open(`${url}?ticket=${body.ticket}&token=nonsense`, "grizz.v1")
    await wire.next("ready")
    const again = await Wire.open(`${url}?ticket=${body.ticket}&token=${user.token}`, "grizz.v1")
    expect((await again.closed).code).toBe(4401)
    expect(engine.log.join("")).not.toContain(body.ticket)
    const stranger = await engine.user()
    const { body: theirs } = await stranger.request<{ ticket: string }>("POST", "/ws/tickets")
    expect((await (await Wire.open(`${url}?ticket=${theirs.ticket}`, "grizz.v1")).closed).code).toBe(4404)
    nowMs += 10 * minute
    expect((await wire.closed).code).toBe(4401)
  })

  test("a ticket is not made without a token, nor by a ticket", async () => {
    const { body } = await user.request<{ ticket: string }>("POST", "/ws/tickets")
    for (const query of ["", `?ticket=${body.ticket}`, `?token=${user.token}`]) {
      expect((await fetch(`${engine.url}/ws/tickets${query}`, { method: "POST" })).status).toBe(401)
    }
  })
})
