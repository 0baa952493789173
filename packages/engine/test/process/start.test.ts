import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Turn } from "@grizz/protocol"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { TestUser } from "../support/engine.ts"
import { freePort, GrizzProcess, type GrizzOptions } from "../support/grizz-process.ts"

/** One sentence or a short list, and nothing that looks like a stack. */
function expectPlain(output: string, pattern: RegExp): void {
  expect(output).toMatch(pattern)
  expect(output).not.toMatch(/^\s+at /m)
}

describe("grizz start", () => {
  let cwd: string
  let processes: GrizzProcess[]

  let template: string

  // Making a database takes seconds; most tests begin with a copy of one.
  beforeAll(async () => {
    template = await mkdtemp(join(tmpdir(), "grizz-template-"))
    const migrate = new GrizzProcess({ args: ["migrate"], cwd: template })
    expect(await migrate.exited).toEqual({ code: 0, signal: null })
    expect(migrate.output).toMatch(/Applied 0001/)
    const again = new GrizzProcess({ args: ["migrate"], cwd: template })
    await again.exited
    expect(again.output).toMatch(/up to date/)
  })
  afterAll(() => rm(template, { recursive: true }))

  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), "grizz-start-"))
    processes = []
  })
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.end()))
    await rm(cwd, { recursive: true })
  })

  function run(args: string[], options: Partial<GrizzOptions> = {}): GrizzProcess {
    const grizz = new GrizzProcess({ args, cwd, ...options })
    processes.push(grizz)
    return grizz
  }

  /** A start on a database that is already there. */
  async function runWarm(args = ["start", "--port", "0"], env: Record<string, string> = {}): Promise<GrizzProcess> {
    await cp(join(template, ".grizz"), join(cwd, ".grizz"), { recursive: true })
    return run(args, { env })
  }

  async function signIn(url: string, userId: string = randomUUID()): Promise<TestUser> {
    const headers = { "content-type": "application/json" }
    const body = JSON.stringify({ user_id: userId })
    const response = await fetch(`${url}/dev/token`, { method: "POST", headers, body })
    const token = (await response.json()) as { access_token: string; user_id: string }
    return new TestUser(url, token.user_id, token.access_token)
  }

  test("starts on embedded defaults, talks, and what was said survives a kill", async () => {
    const first = run(["start", "--port", "0"])
    const user = await signIn(await first.ready())
    const conversationId = await user.today()
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "Hello")
    const { message } = await wire.next("message.added")
    await wire.next("reply.delta")
    first.kill("SIGKILL")
    await first.exited

    const second = run(["start", "--port", "0"])
    const again = await signIn(await second.ready(), user.id)
    const path = `/conversations/${conversationId}/messages`
    expect((await again.request("GET", path)).body).toMatchObject({ data: [message] })
    // The token of before the kill is still good.
    expect((await new TestUser(await second.ready(), user.id, user.token).request("GET", path)).status).toBe(200)
    // A reply whose owner is gone goes on as another attempt when its lease has run out.
    const reader = await again.connect(conversationId)
    expect(await reader.next("reply.restarted")).toMatchObject({ attempt: 2 })
    const ended = await reader.next("reply.ended")
    expect(ended).toMatchObject({ status: "completed", error: null, message: { position: 1 } })
    expect(ended.message.content).toMatch(/offline/)
    reader.say(randomUUID(), "And now?")
    await reader.next("reply.delta")
  }, 60_000)

  test("what does not finish within the grace of a shutdown is handed over, and the next start goes on at once", async () => {
    const first = await runWarm(["start", "--port", "0"], { DRAIN_TIMEOUT_MS: "200" })
    const user = await signIn(await first.ready())
    const conversationId = await user.today()
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "Tell me a long story")
    wire.say(randomUUID(), "And another one")
    await wire.next("reply.delta")
    first.kill("SIGTERM")
    expect(await first.exited).toEqual({ code: 0, signal: null })
    expect((await wire.closed).code).toBe(1012)

    const second = run(["start", "--port", "0"])
    const again = await signIn(await second.ready(), user.id)
    const startedAtMs = performance.now()
    const reader = await again.connect(conversationId)
    expect(await reader.next("reply.restarted")).toMatchObject({ attempt: 2 })
    // At once, and not after the 15 s of a lease.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000)
  }, 60_000)

  test("a second start in the same folder says who holds it, and harms nothing", async () => {
    const first = await runWarm()
    const url = await first.ready()
    const second = run(["start", "--port", "0"])
    expect((await second.exited).code).toBe(1)
    expectPlain(second.output, new RegExp(`\\b${first.child.pid}\\b`))
    expect(second.output.trim().split("\n")).toHaveLength(1)
    expect((await fetch(`${url}/ready`)).status).toBe(200)
  })

  test("a taken port is one sentence", async () => {
    const port = await freePort()
    const server = createServer()
    server.listen(port, "127.0.0.1")
    await once(server, "listening")
    const grizz = run(["start"], { env: { PORT: String(port), LOG_LEVEL: "silent" } })
    expect((await grizz.exited).code).toBe(1)
    expectPlain(grizz.output, new RegExp(`Port ${port} .* is taken`))
    expect(grizz.output.trim().split("\n")).toHaveLength(1)
    server.close()
  })

  test("a folder that cannot be written is one sentence", async () => {
    const isRoot = process.getuid?.() === 0
    await chmod(cwd, 0o555)
    // Root may write anywhere, so there the program runs as nobody.
    const grizz = run(["start", "--port", "0"], isRoot ? { uid: 65534 } : {})
    expect((await grizz.exited).code).toBe(1)
    await chmod(cwd, 0o755)
    expectPlain(grizz.output, /cannot be written|not writable|permission/i)
    expect(grizz.output.trim().split("\n")).toHaveLength(1)
  })

  test("a file where the data folder should be is one sentence", async () => {
    await writeFile(join(cwd, ".grizz"), "")
    const grizz = run(["start", "--port", "0"])
    expect((await grizz.exited).code).toBe(1)
    expectPlain(grizz.output, /\.grizz/)
    expect(grizz.output.trim().split("\n")).toHaveLength(1)
  })

  test.each(["SIGTERM", "SIGINT"] as const)("%s lets a reply finish, and exits with 0", async (signal) => {
    const grizz = await runWarm()
    const url = await grizz.ready()
    const user = await signIn(url)
    const wire = await user.connect("today")
    wire.say(randomUUID(), "Hello")
    await wire.next("reply.delta")
    grizz.kill(signal)
    expect(await wire.next("reply.ended")).toMatchObject({ status: "completed" })
    expect((await wire.closed).code).toBe(1012)
    expect(await grizz.exited).toEqual({ code: 0, signal: null })
  })

  test("a signal that comes twice at once is one, and a later one ends at once", async () => {
    const grizz = await runWarm()
    const user = await signIn(await grizz.ready())
    const wire = await user.connect("today")
    wire.say(randomUUID(), "Tell me a long story")
    await wire.next("reply.delta")
    grizz.kill("SIGINT")
    grizz.kill("SIGINT")
    await grizz.until(/shutting down/)
    // It still streams: the second one was not heard as "now".
    await wire.next("reply.delta")
    await wire.next("reply.delta")
    const later = setInterval(() => grizz.kill("SIGINT"), 600)
    const { code } = await grizz.exited
    clearInterval(later)
    expect(code).toBe(1)
  })

  test("every bad variable is named at once, without its value", async () => {
    const env = { PORT: "eighty", CONTEXT_MESSAGES: "-1", SUPABASE_JWT_SECRET: "tooshort", LOG_LEVEL: "loud" }
    const grizz = run(["start"], { env })
    expect((await grizz.exited).code).toBe(1)
    for (const name of Object.keys(env)) expectPlain(grizz.output, new RegExp(`^${name} must be`, "m"))
    expect(grizz.output).not.toContain("tooshort")
  })

  test("refuses to be open to the network with development sign-in", async () => {
    const grizz = run(["start"], { env: { HOST: "0.0.0.0", PORT: "0" } })
    expect((await grizz.exited).code).toBe(1)
    expectPlain(grizz.output, /SUPABASE_/)
  })

  test("serve needs a database and a model, and says so", async () => {
    const grizz = run(["serve"], { env: { SUPABASE_JWT_SECRET: "x".repeat(32) } })
    expect((await grizz.exited).code).toBe(1)
    expectPlain(grizz.output, /DATABASE_URL/)
    expectPlain(grizz.output, /OPENAI_API_KEY/)
  })

  test("an unknown command or option shows the usage", async () => {
    for (const args of [["dance"], ["start", "--prot", "1"]]) {
      const grizz = run(args)
      expect((await grizz.exited).code).toBe(2)
      expectPlain(grizz.output, /Usage: grizz/)
    }
  })

  test("explain prints what a reply was made with, and says so where there is none", async () => {
    const grizz = await runWarm()
    const user = await signIn(await grizz.ready())
    await user.request("POST", "/memories", { text: "Likes honey" })
    const path = `/conversations/${await user.today()}/messages`
    const { body } = await user.request<Turn>("POST", path, { id: randomUUID(), content: "Hello" })
    const held = run(["explain", body.reply.id])
    expect((await held.exited).code).toBe(1)
    expectPlain(held.output, new RegExp(`\\b${grizz.child.pid}\\b`))
    grizz.kill("SIGTERM")
    await grizz.exited
    const explained = run(["explain", body.reply.id])
    expect((await explained.exited).code).toBe(0)
    for (const line of [/^persona: \d+ tokens$/m, /^ {4}Likes honey$/m, /^ {4}Hello$/m]) {
      expectPlain(explained.output, line)
    }
    const none = run(["explain", randomUUID()])
    expect((await none.exited).code).toBe(1)
    expectPlain(none.output, /no reply with this id/)
    const malformed = run(["explain", "x"])
    expect((await malformed.exited).code).toBe(2)
    expectPlain(malformed.output, /UUID/)
  }, 60_000)

  test("token prints a token that the engine accepts", async () => {
    const userId = randomUUID()
    const token = run(["token", "--user", userId])
    expect((await token.exited).code).toBe(0)
    const grizz = await runWarm()
    const user = new TestUser(await grizz.ready(), userId, token.output.trim())
    expect((await user.request("GET", "/conversations/today")).body).toMatchObject({ user_id: userId })
  })
})
