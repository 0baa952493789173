import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { say, TwoNodeStage } from "../support/two-node-stage.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const within = 60_000
const missingWords = missing === null ? "" : `: ${missing}`

describe.skipIf(missing !== null)(
  `a conversation that is deleted elsewhere while its reply runs${missingWords}`,
  () => {
    let stage: TwoNodeStage
    beforeEach(async () => {
      stage = await TwoNodeStage.start()
    })
    afterEach(() => stage.close())

    test(
      "its node hangs up on the model within a few beats, also without Redis, and goes on with others",
      async () => {
        const user = stage.nodes.user(stage.first)
        const conversationId = await user.today()
        const device = await user.connect(conversationId)
        device.say(randomUUID(), "go")
        stage.calls[0]!.say("half")
        await device.next("reply.delta")
        const { signal } = stage.calls[0]!
        const hungUp = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()))
        stage.first.redis.refuse()
        const elsewhere = stage.nodes.user(stage.second, user.id)
        expect((await elsewhere.request("DELETE", `/conversations/${conversationId}`)).status).toBe(204)
        await hungUp
        expect((await device.closed).code).toBe(4404)
        const other = stage.nodes.user(stage.first)
        const wire = await other.connect(await other.today())
        stage.calls[1]!.say("whole")
        stage.calls[1]!.finish()
        expect(await say(wire, "hello")).toBe("message.added")
        expect((await wire.next("reply.ended")).message.content).toBe("whole")
        expect(stage.modelCalls).toBe(2)
      },
      within,
    )
  },
)
