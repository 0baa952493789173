import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import type { TestUser } from "../support/engine.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { heard, say, TwoNodeStage } from "../support/two-node-stage.ts"
import type { Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const takeOverWithin = 90_000

describe.skipIf(missing !== null)(`two nodes, one cut off${missing ? `: ${missing}` : ""}`, () => {
  let stage: TwoNodeStage
  /** The same user on the node that owns the reply, and on the other one. */
  let user: TestUser
  let elsewhere: TestUser
  let conversationId: string
  let near: Wire
  let far: Wire
  let replyId: string
  beforeEach(async () => {
    stage = await TwoNodeStage.start()
    user = stage.nodes.user(stage.first)
    elsewhere = stage.nodes.user(stage.second, user.id)
    conversationId = await user.today()
    near = await user.connect(conversationId)
    far = await elsewhere.connect(conversationId)
    near.say(randomUUID(), "go")
    stage.calls[0]!.say("before, ")
    ;({ reply_id: replyId } = await near.next("reply.delta"))
    await far.next("reply.delta")
  })
  afterEach(() => stage.close())

  /** A whole turn that both devices read, whichever node it runs on. */
  async function expectHealed(): Promise<void> {
    for (const [index, sender] of [near, far].entries()) {
      const call = stage.calls[stage.modelCalls]!
      call.say(`healed ${index}`)
      call.finish()
      expect(await say(sender, `again ${index}`)).toBe("message.added")
      for (const wire of [near, far]) expect((await wire.next("reply.ended")).message.content).toBe(`healed ${index}`)
    }
    for (const one of [user, elsewhere]) {
      expect((await stage.history(one, conversationId)).slice(-4)).toEqual([
        "again 0",
        "healed 0",
        "again 1",
        "healed 1",
      ])
    }
    expect(orderOf(near)).toEqual(orderOf(far))
  }

  test(
    "the owner from PostgreSQL: the other takes over when the lease is over, and what comes late is refused",
    async () => {
      stage.first.postgres.refuse()
      const cutAtMs = performance.now()
      // Until its lease is over it is the owner.
      stage.calls[0]!.say("a late owner's")
      expect((await near.next("reply.delta")).text).toBe("a late owner's")
      expect(await say(near, "are you there?")).toBe("unavailable")
      const hungUp = once(stage.calls[0]!.signal)
      stage.calls[1]!.say("the second try")
      for (const wire of [near, far]) {
        expect(await wire.next("reply.restarted")).toMatchObject({ reply_id: replyId, attempt: 2 })
      }
      expect(performance.now() - cutAtMs).toBeLessThan(45_000)
      // What the first node is told now it may not pass on, and it hangs up.
      stage.calls[0]!.say(", too late")
      await hungUp
      stage.calls[1]!.say(", whole")
      stage.calls[1]!.finish()
      const ended = { text: "the second try, whole", ends: ["completed: the second try, whole"] }
      for (const wire of [near, far]) {
        await wire.next("reply.ended")
        expect(heard(wire, replyId)).toEqual(ended)
      }
      stage.first.postgres.accept()
      await expectHealed()
      expect(await stage.reply(replyId)).toMatchObject({ status: "completed", attempt: 2, calls: 2 })
      expect(heard(near, replyId)).toEqual(ended)
      expect(stage.modelCalls).toBe(4)
    },
    takeOverWithin,
  )

  test(
    "the owner from Redis: its own readers notice nothing, and those elsewhere read what is stored",
    async () => {
      stage.first.redis.refuse()
      stage.calls[0]!.say("during, ")
      expect((await near.next("reply.delta")).text).toBe("during, ")
      expect((await far.next("reply.delta")).text).toBe("during, ")
      // Either side goes on: what is said there waits behind the reply that runs here.
      expect(await say(far, "next")).toBe("message.added")
      await near.next("message.added")
      stage.calls[0]!.say("and after")
      stage.calls[0]!.finish()
      stage.calls[1]!.say("too")
      stage.calls[1]!.finish()
      for (const wire of [near, far]) {
        expect(await wire.next("reply.ended")).toMatchObject({ message: { content: "before, during, and after" } })
        expect(await wire.next("reply.ended")).toMatchObject({ message: { content: "too" } })
        const told = { text: "before, during, and after", ends: ["completed: before, during, and after"] }
        expect(heard(wire, replyId)).toEqual(told)
      }
      expect(await stage.reply(replyId)).toMatchObject({ status: "completed", attempt: 1, calls: 1 })
      stage.first.redis.accept()
      await expectHealed()
      expect(stage.modelCalls).toBe(4)
    },
    takeOverWithin,
  )

  test(
    "the other from PostgreSQL: its readers still hear what Redis says, and the end",
    async () => {
      stage.second.postgres.refuse()
      stage.calls[0]!.say("during, ")
      for (const wire of [near, far]) expect((await wire.next("reply.delta")).text).toBe("during, ")
      expect(await say(far, "are you there?")).toBe("unavailable")
      stage.calls[0]!.say("and after")
      stage.calls[0]!.finish()
      for (const wire of [near, far]) {
        await wire.next("reply.ended")
        const told = { text: "before, during, and after", ends: ["completed: before, during, and after"] }
        expect(heard(wire, replyId)).toEqual(told)
      }
      stage.second.postgres.accept()
      await expectHealed()
      expect(stage.modelCalls).toBe(3)
    },
    takeOverWithin,
  )

  test(
    "the other from Redis: its readers read what is stored, also those that resume there",
    async () => {
      const { cursor } = far.frames.findLast((frame) => frame.type === "reply.delta")!
      stage.second.redis.refuse()
      stage.calls[0]!.say("during, ")
      expect((await near.next("reply.delta")).text).toBe("during, ")
      expect((await far.next("reply.delta")).text).toBe("during, ")
      const resumed = await elsewhere.connect(conversationId, cursor)
      stage.calls[0]!.say("and after")
      stage.calls[0]!.finish()
      for (const wire of [near, far, resumed]) await wire.next("reply.ended")
      for (const wire of [near, far]) expect(heard(wire, replyId).text).toBe("before, during, and after")
      expect(heard(resumed, replyId)).toEqual({
        text: "during, and after",
        ends: ["completed: before, during, and after"],
      })
      stage.second.redis.accept()
      await expectHealed()
      expect(stage.modelCalls).toBe(3)
    },
    takeOverWithin,
  )
})

/** The order of the messages, and that of the replies' beginnings and ends. */
function orderOf({ frames }: Wire): { messages: string[]; replies: string[] } {
  return {
    messages: frames.flatMap((frame) => (frame.type === "message.added" ? [frame.message.id] : [])),
    replies: frames.flatMap((frame) => {
      if (frame.type === "reply.started" || frame.type === "reply.restarted")
        return [`${frame.reply_id} attempt ${frame.attempt}`]
      return frame.type === "reply.ended" ? [`${frame.reply_id} ${frame.status}`] : []
    }),
  }
}

function once(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
