import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { CutLine } from "../support/cut-line.ts"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import type { Wire } from "../support/wire.ts"

const idleSockets = 50

describe(`sockets of a node that shuts down on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    model = new ScriptedModel()
    const env = { DRAIN_TIMEOUT_MS: "10000" }
    engine = await startTestEngine({ database: opened.database, script: model.script, env })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
  })

  const connect = (as = user) => Promise.all(Array.from({ length: idleSockets }, () => as.connect(conversationId)))

  /** When they were closed, in order, in ms. */
  async function closesOf(wires: Wire[]): Promise<number[]> {
    const closes = wires.map(async ({ closed }) => {
      expect((await closed).code).toBe(1012)
      return performance.now()
    })
    return (await Promise.all(closes)).sort((a, b) => a - b)
  }

  /** A reply that runs until the test lets it finish, in a conversation of its own. */
  async function begin(): Promise<Wire> {
    const busy = await user.connect((await user.request<{ id: string }>("POST", "/conversations")).body.id)
    busy.say(randomUUID(), "go")
    model.say("half")
    await busy.next("reply.delta")
    return busy
  }

  test("idle ones are closed over a second, not all at once, while a busy one hears its reply to the end", async () => {
    const wires = await connect()
    const busy = await begin()
    const drained = engine.drain()
    const closes = await closesOf(wires)
    // The clients of one tick come back together, at most a twentieth of all.
    expect(closes.at(-1)! - closes[0]!).toBeGreaterThan(500)
    expect(busy.socket.readyState).toBe(busy.socket.OPEN)
    model.say(" and whole")
    model.finish()
    expect((await busy.next("reply.ended")).message.content).toBe("half and whole")
    expect((await busy.closed).code).toBe(1012)
    await drained
  })

  test("idle ones are closed over a second also where no reply runs", async () => {
    const wires = await connect()
    const drained = engine.drain()
    const closes = await closesOf(wires)
    expect(closes.at(-1)! - closes[0]!).toBeGreaterThan(500)
    await drained
  })

  test("those of clients that have gone silent keep nobody else waiting", async () => {
    const line = await CutLine.start(engine.url)
    const silent = new TestUser(line.url, user.id, user.token)
    for (let index = 0; index < 8; index++) await silent.connect(conversationId)
    line.cut("silence")
    const wires = await connect()
    const busy = await begin()
    const drained = engine.drain()
    await closesOf(wires)
    expect(busy.socket.readyState).toBe(busy.socket.OPEN)
    model.finish()
    await busy.next("reply.ended")
    await drained
    await line.close()
  })
})
