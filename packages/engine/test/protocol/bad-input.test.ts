import { createHmac, randomUUID } from "node:crypto"
import { afterEach, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { Wire } from "../support/wire.ts"

const id = randomUUID()

describeDatabases("bad input", (database) => {
  let engine: TestEngine
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    engine = await startTestEngine({ database: database() })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(() => engine.close())

  /** The socket still works, and so does the engine for somebody else. */
  async function expectAlive(wire: Wire): Promise<void> {
    wire.send({ type: "ping" })
    await wire.next("pong")
    expect((await fetch(`${engine.url}/health`)).status).toBe(200)
  }

  test.each<[string, string, RegExp, string | null]>([
    ["not JSON", "hello", /not JSON/, null],
    ["an empty frame", "", /not JSON/, null],
    ["JSON that is no object", "[1,2]", /object/, null],
    ["a number", "7", /object/, null],
    ["null", "null", /object/, null],
    ["no type", "{}", /type/, null],
    ["an unknown type", '{"type":"message.shout","id":"x"}', /type/, "x"],
    ["a server's type", '{"type":"reply.ended"}', /type/, null],
    ["a missing field", `{"type":"message.send","id":"${id}"}`, /content/, id],
    ["an extra field", `{"type":"message.send","id":"${id}","content":"a","role":"system"}`, /role/, id],
    ["an extra field of ping", '{"type":"ping","id":"p"}', /id/, "p"],
    ["an id that is not a UUID", '{"type":"message.send","id":"1","content":"a"}', /id/, "1"],
    ["an id that is a number", '{"type":"message.send","id":1,"content":"a"}', /id/, null],
    ["empty text", `{"type":"message.send","id":"${id}","content":""}`, /blank/, id],
    ["blank text", `{"type":"message.send","id":"${id}","content":" \\n\\u3000"}`, /blank/, id],
    ["NUL", `{"type":"message.send","id":"${id}","content":"a\\u0000b"}`, /NUL/, id],
    ["a lone surrogate", `{"type":"message.send","id":"${id}","content":"a\\ud83d"}`, /surrogate/, id],
    ["text that is too long", JSON.stringify({ type: "message.send", id, content: "x".repeat(32_001) }), /32000/, id],
    ["metadata that is no object", `{"type":"message.send","id":"${id}","content":"a","metadata":[1]}`, /metadata/, id],
    [
      "metadata that is too big",
      JSON.stringify({ type: "message.send", id, content: "a", metadata: { a: "x".repeat(17_000) } }),
      /metadata/,
      id,
    ],
    ["NUL in metadata", `{"type":"message.send","id":"${id}","content":"a","metadata":{"a":["\\u0000"]}}`, /NUL/, id],
    [
      "metadata that is nested too deep",
      `{"type":"message.send","id":"${id}","content":"a","metadata":{"a":${"[".repeat(5000)}${"]".repeat(5000)}}}`,
      /deeper/,
      id,
    ],
    [
      "a prototype's name in metadata",
      `{"type":"message.send","id":"${id}","content":"a","metadata":{"b":{"__proto__":{"a":1}}}}`,
      /__proto__/,
      id,
    ],
    ["a stop of nothing", '{"type":"reply.stop"}', /reply_id/, null],
    [
      "a prototype's name",
      `{"type":"message.send","id":"${id}","content":"a","__proto__":{"a":1}}`,
      /__proto__|key/,
      id,
    ],
  ])("%s is refused by name, and the socket lives on", async (_, frame, message, ref) => {
    const wire = await user.connect(conversationId)
    wire.socket.send(frame)
    const error = await wire.next("error")
    expect(error).toMatchObject({ code: "invalid_request", ref })
    expect(error.message).toMatch(message)
    await expectAlive(wire)
  })

  test("a stop of someone else's reply is the same as of a missing one", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "hi")
    const { reply_id } = await wire.next("message.added")
    const stranger = await engine.user()
    const theirs = await stranger.connect("today")
    theirs.send({ type: "reply.stop", reply_id })
    const foreign = await theirs.next("error")
    theirs.send({ type: "reply.stop", reply_id: randomUUID() })
    const missing = await theirs.next("error")
    expect(foreign).toMatchObject({ code: "not_found", ref: reply_id })
    expect({ ...foreign, ref: null }).toEqual({ ...missing, ref: null })
    await wire.next("reply.ended")
  })

  test("a frame over 256 KiB closes with 1009, and nobody else notices", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    wire.socket.send("x".repeat(257 * 1024))
    expect((await wire.closed).code).toBe(1009)
    await expectAlive(other)
  })

  test("a frame of just 256 KiB is read", async () => {
    const wire = await user.connect(conversationId)
    wire.socket.send(" ".repeat(256 * 1024))
    expect(await wire.next("error")).toMatchObject({ code: "invalid_request" })
    await expectAlive(wire)
  })

  test("a binary frame is refused, and the socket lives on", async () => {
    const wire = await user.connect(conversationId)
    wire.socket.send(Buffer.from('{"type":"ping"}'))
    expect(await wire.next("error")).toMatchObject({ code: "invalid_request" })
    await expectAlive(wire)
  })

  test("text that is not UTF-8 closes that socket alone", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    wire.socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
    expect((await wire.closed).code).toBe(1007)
    await expectAlive(other)
  })

  test.each(["not-a-uuid", "1", randomUUID(), "%20", "today%00"])(
    "someone else's, a missing and a malformed conversation are the same 4404: %s",
    async (name) => {
      const wire = await Wire.open(user.socketUrl(name), "grizz.v1")
      const missing = await wire.closed
      const stranger = await engine.user()
      const foreign = await (await Wire.open(stranger.socketUrl(conversationId), "grizz.v1")).closed
      expect(missing.code).toBe(4404)
      expect(foreign).toEqual(missing)
      expect(wire.frames).toEqual([])
    },
  )

  test.each(["Mars/Olympus", "+05:30", "UTC+2", ""])("an unknown zone closes with 4400: %j", async (zone) => {
    const wire = await Wire.open(user.socketUrl("today", `&tz=${encodeURIComponent(zone)}`), "grizz.v1")
    expect((await wire.closed).code).toBe(4400)
  })

  test("a subprotocol that is not ours closes with 4400", async () => {
    const wire = new WebSocket(user.socketUrl(conversationId), ["graphql-ws"])
    const code = await new Promise((resolve) => {
      wire.addEventListener("close", (event) => resolve(event.code))
      wire.addEventListener("error", () => resolve("refused"))
    })
    // A browser refuses the upgrade itself, since no subprotocol was chosen.
    expect([4400, "refused"]).toContain(code)
  })

  test.each<[string, (token: string) => string]>([
    ["none", () => ""],
    ["rubbish", () => "rubbish"],
    ["cut", (token) => token.slice(0, -3)],
    ["forged", (token) => `${token.split(".").slice(0, 2).join(".")}.${"A".repeat(43)}`],
    ["of algorithm none", (token) => `${encode({ alg: "none", typ: "JWT" })}.${token.split(".")[1]}.`],
    ["expired", (token) => sign({ ...claimsOf(token), exp: Math.floor(Date.now() / 1000) - 3600 })],
    ["signed with another secret", (token) => sign(claimsOf(token), "another secret that is long enough")],
    ["without expiry", (token) => sign({ ...claimsOf(token), exp: undefined })],
    ["of another audience", (token) => sign({ ...claimsOf(token), aud: "other" })],
    ["of a service", (token) => sign({ ...claimsOf(token), role: "service_role" })],
    ["without a user", (token) => sign({ ...claimsOf(token), sub: "admin" })],
  ])("a token that is %s is 4401 on the socket and 401 elsewhere, and is in no log", async (_, spoil) => {
    const token = spoil(user.token)
    for (const protocol of ["grizz.v1", undefined]) {
      const url = user.socketUrl(conversationId).replace(user.token, token)
      expect((await (await Wire.open(url, protocol)).closed).code).toBe(4401)
    }
    const response = await fetch(`${engine.url}/conversations`, { headers: { authorization: `Bearer ${token}` } })
    expect(response.status).toBe(401)
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/)
    expect(await response.json()).toMatchObject({ status: 401, code: "unauthenticated" })
    if (token !== "") expect(engine.log.join("")).not.toContain(token)
  })

  test("the tests' own signature is accepted, so that the refusals above mean something", async () => {
    const url = user.socketUrl(conversationId).replace(user.token, sign(claimsOf(user.token)))
    await (await Wire.open(url, "grizz.v1")).next("ready")
  })

  test("the header counts before the query, and the query counts for the socket only", async () => {
    const headers = { authorization: `Bearer ${user.token}` }
    const wire = await Wire.open(user.socketUrl(conversationId).replace(user.token, "bad"), "grizz.v1", { headers })
    await wire.next("ready")
    expect((await fetch(`${engine.url}/conversations?token=${user.token}`)).status).toBe(401)
    await user.connect(conversationId)
    expect(engine.log.join("")).not.toContain(user.token)
  })

  test.each(["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"])(
    "a page of another origin cannot connect: %s",
    async (origin) => {
      expect(await Wire.refusal(user.socketUrl(conversationId), { origin })).toBe(403)
      expect(await Wire.refusal(user.socketUrl("today"), { headers: { origin } })).toBe(403)
    },
  )

  test("a page of the engine's own origin connects", async () => {
    const wire = await Wire.open(user.socketUrl(conversationId), "grizz.v1", { origin: engine.url })
    await wire.next("ready")
  })

  test("a rebound host name is refused under development sign-in", async () => {
    const headers = { host: "evil.example" }
    expect(await Wire.refusal(user.socketUrl(conversationId), { headers })).toBe(403)
  })

  test("an upgrade elsewhere is refused", async () => {
    expect(await Wire.refusal(`${engine.url.replace("http", "ws")}/other`, {})).toBe(404)
  })

  test("one user has at most 64 sockets, and another user still connects", async () => {
    const wires = await Promise.all(Array.from({ length: 64 }, () => user.connect(conversationId)))
    const wire = await Wire.open(user.socketUrl(conversationId), "grizz.v1")
    expect((await wire.closed).code).toBe(4429)
    await (await engine.user()).connect("today")
    wires[0]!.close()
    await wires[0]!.closed
    await expect
      .poll(async () =>
        (await Wire.open(user.socketUrl(conversationId), "grizz.v1")).next("ready").then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
  })
})

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as object

function sign(claims: object, secret = "a secret of the tests, long enough for HS256"): string {
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}
