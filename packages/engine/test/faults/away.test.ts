import { randomUUID } from "node:crypto"
import type { MessagePage, MessageResource } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { foldText, type Wire } from "../support/wire.ts"

const minute = 60_000
const half = "the first half, 🐻 "
const whole = `${half}and the second, 熊`

describe(`a device that is away for ten minutes on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let model: ScriptedModel
  let engines: TestEngine[]
  let nowMs: number
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    model = new ScriptedModel()
    engines = []
    nowMs = Math.floor(Date.now() / 1000) * 1000
    user = await (await start()).user()
    conversationId = await user.today()
  })
  afterEach(async () => {
    for (const engine of engines) await engine.close()
    await opened.close()
  })

  /** One more node on the same database. */
  async function start(env: Record<string, string> = {}): Promise<TestEngine> {
    const clock = { now: () => nowMs }
    const engine = await startTestEngine({ database: opened.database, script: model.script, env, clock })
    engines.push(engine)
    return engine
  }

  async function history(): Promise<MessageResource[]> {
    return (await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)).body.data
  }

  /** Asks, hears half of the reply and falls asleep; the reply then ends with nobody listening. */
  async function fallAsleep(
    reader: TestUser = user,
  ): Promise<{ before: Wire; cursor: string; stored: MessageResource }> {
    const before = await reader.connect(conversationId)
    before.say(randomUUID(), "tell me")
    await before.next("reply.started")
    model.say(half)
    const { cursor } = await before.next("reply.delta")
    before.socket.terminate()
    await before.closed
    model.say(whole.slice(half.length))
    model.finish()
    await expect.poll(async () => (await history()).length).toBe(2)
    nowMs += 10 * minute
    const stored = (await history())[1]!
    expect(stored).toMatchObject({ status: "completed", content: whole })
    return { before, cursor, stored }
  }

  /** What it hears when it comes back is the rest, in one piece, and the end. */
  function expectRest(frames: Wire["frames"], before: Wire, stored: MessageResource): void {
    expect(frames.map(({ type }) => type)).toEqual(["ready", "reply.delta", "reply.ended"])
    expect(frames[0]).toMatchObject({ messages: null })
    expect(frames[2]).toMatchObject({ reply_id: stored.id, status: "completed", message: stored })
    expect(foldText([...before.frames, ...frames.slice(1)], stored.id)).toBe(stored.content)
  }

  test("comes back to the rest and the end, over a socket and over HTTP, here and on a node that knew nothing of it", async () => {
    const { before, cursor, stored } = await fallAsleep()
    const elsewhere = await (await start()).user(user.id)
    for (const place of [user, elsewhere]) {
      const wire = await place.connect(conversationId, cursor)
      await wire.next("reply.ended")
      expectRest(wire.frames, before, stored)
      const stream = await place.follow(conversationId, { headers: { "last-event-id": cursor } })
      await stream.next("reply.ended")
      expectRest(stream.frames, before, stored)
      stream.cut()
    }
  })

  test("that has forgotten everything finds the whole reply in its snapshot, and no reply under way", async () => {
    const { stored } = await fallAsleep()
    const wire = await user.connect(conversationId)
    const ready = wire.frames[0]
    expect(ready).toMatchObject({ type: "ready", reply: null, queued: [] })
    if (ready?.type === "ready") expect(ready.messages?.at(-1)).toEqual(stored)
  })

  test("while another one goes on talking hears all of it, in order and whole", async () => {
    const { before, cursor, stored } = await fallAsleep()
    const other = await user.connect(conversationId)
    for (const [index, text] of ["one", "two", "three"].entries()) {
      other.say(randomUUID(), `question ${index}`)
      model.say(text)
      model.finish()
      await other.next("reply.ended")
    }
    const wire = await user.connect(conversationId, cursor)
    const ends = [stored.id]
    while (ends.length < 5) ends.push((await wire.next("reply.ended")).reply_id)
    const told = [...before.frames, ...wire.frames.slice(1)]
    const messages = await history()
    expect(ends.slice(1)).toEqual(messages.filter(({ role }) => role === "assistant").map(({ id }) => id))
    for (const { id, role, content } of messages) if (role === "assistant") expect(foldText(told, id)).toBe(content)
    const added = told.flatMap((frame) => (frame.type === "message.added" ? [frame.message] : []))
    expect(added).toEqual(messages.filter(({ role }) => role === "user"))
  })

  test("for more than 500 messages gets a snapshot, never a gap", async () => {
    const { cursor } = await fallAsleep()
    const other = await user.connect(conversationId)
    for (let turn = 0; turn < 251; turn++) {
      other.say(randomUUID(), `question ${turn}`)
      model.say(`answer ${turn}`)
      model.finish()
      await other.next("reply.ended")
    }
    const wire = await user.connect(conversationId, cursor)
    const ready = wire.frames[0]
    if (ready?.type !== "ready" || ready.messages === null) throw new Error("no snapshot")
    expect(ready.messages.map(({ position }) => position)).toEqual(
      Array.from({ length: 50 }, (_, index) => 454 + index),
    )
    expect(ready.messages).toEqual(await history())
  }, 120_000)

  test.skipIf(findRedisServer() === null)(
    `whose reply Redis has forgotten by then comes back to the rest${findRedisServer() ? "" : ": no redis-server found"}`,
    async () => {
      const redis = await RedisServer.start()
      const [writer, other] = [await start({ REDIS_URL: redis.url }), await start({ REDIS_URL: redis.url })]
      const { before, cursor, stored } = await fallAsleep(await writer.user(user.id))
      const keys = await redis.admin.keys("*")
      expect(keys).not.toEqual([])
      for (const key of keys) {
        const leftMs = await redis.admin.pttl(key)
        expect(leftMs).toBeGreaterThan(0)
        expect(leftMs).toBeLessThanOrEqual(10 * minute)
        await redis.admin.pexpire(key, 1)
      }
      await expect.poll(() => redis.admin.dbsize()).toBe(0)
      const wire = await (await other.user(user.id)).connect(conversationId, cursor)
      await wire.next("reply.ended")
      expectRest(wire.frames, before, stored)
      for (const engine of engines.splice(1)) await engine.close()
      await redis.stop()
    },
  )
})
