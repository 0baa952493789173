import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import type { TestUser } from "../support/engine.ts"
import { findRedisServer, type RedisServer } from "../support/redis-server.ts"
import { heard, say, TwoNodeStage } from "../support/two-node-stage.ts"
import type { Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const within = 60_000
const whole = "before, during, and after"

const nothing = async () => undefined
const faults: {
  fault: string
  begin: (redis: RedisServer) => Promise<void>
  end: (redis: RedisServer) => Promise<void>
}[] = [
  { fault: "is killed, and is back empty at the end", begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
  {
    fault: "is restarted",
    begin: async (redis) => {
      await redis.kill()
      await redis.restart()
    },
    end: nothing,
  },
  { fault: "is flushed", begin: (redis) => redis.flush(), end: nothing },
  { fault: "is full", begin: (redis) => redis.fill(true), end: (redis) => redis.fill(false) },
  { fault: "is frozen", begin: async (redis) => redis.freeze(), end: async (redis) => redis.thaw() },
  { fault: "ends every connection", begin: (redis) => redis.cutConnections(), end: nothing },
]

describe.skipIf(missing !== null)(`a reply that two nodes read, when Redis${missing ? `: ${missing}` : ""}`, () => {
  let stage: TwoNodeStage
  let user: TestUser
  let elsewhere: TestUser
  let conversationId: string
  beforeEach(async () => {
    stage = await TwoNodeStage.start()
    user = stage.nodes.user(stage.first)
    elsewhere = stage.nodes.user(stage.second, user.id)
    conversationId = await user.today()
  })
  afterEach(() => stage.close())

  const cursorOf = (wire: Wire) => wire.frames.findLast((frame) => frame.type === "reply.delta")!.cursor

  test.each(faults)(
    "$fault: the owner's readers notice nothing, the others and those who resume read every word once",
    async ({ begin, end }) => {
      const [near, far] = [await user.connect(conversationId), await elsewhere.connect(conversationId)]
      near.say(randomUUID(), "go")
      const call = stage.calls[0]!
      call.say("before, ")
      const { reply_id: replyId } = await near.next("reply.delta")
      await far.next("reply.delta")
      const [nearCursor, farCursor] = [cursorOf(near), cursorOf(far)]

      await begin(stage.redis)
      call.say("during, ")
      expect((await near.next("reply.delta")).text).toBe("during, ")
      const resumed = [
        await user.connect(conversationId, nearCursor),
        await user.connect(conversationId, farCursor),
        await elsewhere.connect(conversationId, nearCursor),
        await elsewhere.connect(conversationId, farCursor),
      ]
      for (const wire of [far, ...resumed]) expect((await wire.next("reply.delta")).text).toBe("during, ")
      const late = await elsewhere.connect(conversationId)
      call.say("and after")
      call.finish()
      const stored = [`completed: ${whole}`]
      for (const wire of [near, far, late]) {
        await wire.next("reply.ended")
        expect(heard(wire, replyId)).toEqual({ text: whole, ends: stored })
      }
      for (const wire of resumed) {
        // Their cursor was honoured.
        expect(wire.frames[0]).toMatchObject({ type: "ready", messages: null })
        await wire.next("reply.ended")
        expect(heard(wire, replyId)).toEqual({ text: "during, and after", ends: stored })
      }
      expect(await stage.reply(replyId)).toMatchObject({ status: "completed", attempt: 1, calls: 1, content: whole })

      await end(stage.redis)
      const all = [near, far, late, ...resumed]
      stage.calls[1]!.say("as before")
      stage.calls[1]!.finish()
      expect(await say(far, "again")).toBe("message.added")
      for (const wire of all) expect((await wire.next("reply.ended")).message.content).toBe("as before")
      expect(await stage.history(user, conversationId)).toEqual(["go", whole, "again", "as before"])
      expect(stage.modelCalls).toBe(2)
    },
    within,
  )
})
