import { randomUUID } from "node:crypto"
import { setImmediate as nextTurn } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { answer, done, finish, role, text } from "../support/model-stream.ts"

const reads = 20
const tokensPerRead = 50
const memoryRead = "grizz_recollect"

describe(`what things cost, counted, on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let model: ModelServer
  let engine: TestEngine
  let user: TestUser
  let conversationId: string
  let respond: (call: ModelCall) => void | Promise<void>

  beforeEach(async () => {
    respond = (call) => call.begin().end(answer("it is ", "so"))
    model = await startModelServer((call) => respond(call))
    opened = await oneDatabaseKind.open()
    engine = await startTestEngine({ database: opened.database, modelUrl: model.baseUrl })
    user = await engine.user()
    conversationId = await user.today()
    engine.takeStatements()
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
    await model.close()
  })

  /** Statements since the last look that ran for clients; a node's own run once a second, whoever is there. */
  const statements = () =>
    engine.takeStatements().filter((name) => !/lease|take_over|late_conversations|derivation|index_messages/.test(name))

  /** What turns ran, beside the page that a test reads to see them stored. */
  const ofTurns = () => statements().filter((name) => name !== "grizz_message_page")

  test("a turn in plain frames is two statements and one model call", async () => {
    const wire = await user.connectPlain(conversationId)
    await nextTurn()
    wire.socket.send("Is it?")
    await wire.until((all) => all === "it is so")
    const isStored = async () => {
      const path = `/conversations/${conversationId}/messages`
      return (await user.request<{ data: unknown[] }>("GET", path)).body.data.length === 2
    }
    await expect.poll(isStored).toBe(true)
    // A connect and a turn.
    expect(ofTurns()).toHaveLength(3)
    expect(model.calls).toHaveLength(1)
  })

  test("a turn over HTTP is three statements at most, and one model call, whether it waits or streams", async () => {
    const path = `/conversations/${conversationId}/messages`
    const body = { id: randomUUID(), content: "Is it?" }
    expect((await user.request("POST", path, body)).status).toBe(201)
    expect(ofTurns().length).toBeLessThanOrEqual(3)
    const stream = await user.sayOverHttp(conversationId, randomUUID(), "And now?")
    await stream.next("reply.ended")
    expect(ofTurns().length).toBeLessThanOrEqual(3)
    expect(model.calls).toHaveLength(2)
  })

  test("a turn of a user of whom something is known is one statement more", async () => {
    expect((await user.request("POST", "/memories", { text: "Likes honey" })).status).toBe(201)
    const wire = await user.connect(conversationId)
    statements()
    for (const question of ["Is it?", "And now?"]) {
      wire.say(randomUUID(), question)
      await wire.next("reply.ended")
      expect(ofTurns()).toEqual(["grizz_accept_message", memoryRead, "grizz_end_reply"])
    }
    expect((await user.request("PATCH", "/memories/settings", { paused: true })).status).toBe(200)
    statements()
    wire.say(randomUUID(), "And then?")
    await wire.next("reply.ended")
    expect(ofTurns()).toEqual(["grizz_accept_message", "grizz_end_reply"])
  })

  test("a turn is one statement more once something was said outside the window, and not before", async () => {
    const wire = await user.connect(conversationId)
    const turn = async () => {
      wire.say(randomUUID(), "Is it?")
      await wire.next("reply.ended")
      return ofTurns()
    }
    statements()
    // Ten messages are the window.
    for (let count = 0; count < 5; count++) expect(await turn()).toEqual(["grizz_accept_message", "grizz_end_reply"])
    expect(await turn()).toEqual(["grizz_accept_message", memoryRead, "grizz_end_reply"])
  })

  test("following events over HTTP is one statement, also with a cursor", async () => {
    const stream = await user.follow(conversationId)
    expect(statements()).toHaveLength(1)
    const cursor = stream.frames.findLast((frame) => "cursor" in frame)!.cursor
    await user.follow(conversationId, {}, `?after=${cursor}`)
    expect(statements()).toHaveLength(1)
  })

  test("today's conversation is one statement once it is there", async () => {
    expect(await user.today()).toBe(conversationId)
    expect(statements()).toHaveLength(1)
  })

  test("one read of the model's is one frame for each device, however many tokens came in it", async () => {
    const devices = await Promise.all(Array.from({ length: 3 }, () => user.connect(conversationId)))
    const deltas = (index: number) => devices[index]!.frames.filter(({ type }) => type === "reply.delta").length
    respond = async (call) => {
      await call.begin().write(role)
      for (let read = 1; read <= reads; read++) {
        await call.write(text("word ").repeat(tokensPerRead))
        // The next one is written when this one was read, so that they are reads of their own.
        while (deltas(0) < read) await nextTurn()
      }
      call.end(finish() + done)
    }
    devices[0]!.say(randomUUID(), "Is it?")
    for (const device of devices) {
      const { message } = await device.next("reply.ended")
      expect(message.content).toBe("word ".repeat(reads * tokensPerRead))
    }
    for (const index of devices.keys()) expect(deltas(index)).toBe(reads)
  })

  test("frames never outnumber the model's writes, with a hundred answers at once", async () => {
    let writes = 0
    respond = async (call) => {
      await call.begin().write(role)
      for (let read = 0; read < reads; read++) {
        writes += 1
        await call.write(text("word ").repeat(tokensPerRead))
        await nextTurn()
      }
      call.end(finish() + done)
    }
    const open = async () => {
      const one = await engine.user()
      return one.connect(await one.today())
    }
    const wires = await Promise.all(Array.from({ length: 100 }, open))
    statements()
    for (const wire of wires) wire.say(randomUUID(), "Is it?")
    await Promise.all(wires.map((wire) => wire.next("reply.ended")))
    const frames = wires.flatMap((wire) => wire.frames.filter(({ type }) => type === "reply.delta")).length
    expect(writes).toBe(100 * reads)
    expect(frames).toBeLessThanOrEqual(writes)
    expect(ofTurns()).toHaveLength(200)
    expect(model.calls).toHaveLength(100)
  })
})
