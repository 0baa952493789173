import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { streamKey } from "../../src/live/redis-script.ts"
import { missingServer, openServerDatabase } from "../support/database-kinds.ts"
import type { TestUser } from "../support/engine.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { keysWith, tablesWith } from "../support/traces.ts"
import { say, TwoNodeStage } from "../support/two-node-stage.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const within = 60_000

describe.skipIf(missing !== null)(
  `a message that is erased on one of two nodes${missing ? `: ${missing}` : ""}`,
  () => {
    let stage: TwoNodeStage
    let here: TestUser
    let there: TestUser
    let conversationId: string
    beforeEach(async () => {
      stage = await TwoNodeStage.start()
      here = stage.nodes.user(stage.first)
      there = stage.nodes.user(stage.second, here.id)
      conversationId = await here.today()
    })
    afterEach(() => stage.close())

    /** A turn that devices on both nodes have heard to its end. */
    async function begin() {
      const devices = { here: await here.connect(conversationId), there: await there.connect(conversationId) }
      stage.calls[0]!.say("noted")
      stage.calls[0]!.finish()
      expect(await say(devices.here, "my secret")).toBe("message.added")
      const { message } = await devices.there.next("message.added")
      const { cursor } = await devices.there.next("reply.ended")
      await devices.here.next("reply.ended")
      return { ...devices, path: `/conversations/${conversationId}/messages/${message.id}`, id: message.id, cursor }
    }

    test(
      "is removed from the devices on both, and resumes on either say whether a device has heard of it",
      async () => {
        const devices = await begin()
        expect((await here.request("DELETE", devices.path)).status).toBe(204)
        for (const device of [devices.here, devices.there]) {
          const removed = await device.next("message.removed")
          expect(removed.message_id).toBe(devices.id)
          for (const user of [here, there]) {
            const resumed = await user.connect(conversationId, removed.cursor)
            expect(resumed.frames[0]).toMatchObject({ messages: null })
            const late = await user.connect(conversationId, devices.cursor)
            expect(late.frames[0]).toMatchObject({ messages: [{ content: "noted" }], reply: null })
          }
        }
      },
      within,
    )

    test(
      "leaves no trace in any key of Redis nor in any table, and neither does a deleted conversation",
      async () => {
        const canary = "Xanthippe47"
        const database = openServerDatabase(stage.nodes.databaseUrl, { poolSize: 1, maxOverflow: 0 })
        const traces = async () => [
          ...(await keysWith(stage.redis.admin, canary)),
          ...(await tablesWith(database, canary)),
        ]
        const turn = async (call: number) => {
          const device = await there.connect(conversationId)
          stage.calls[call]!.say(`A ${canary}!`)
          stage.calls[call]!.finish()
          expect(await say(device, `my ${canary}`)).toBe("message.added")
          const { message } = await device.next("reply.ended")
          await expect.poll(traces, { timeout: 20_000 }).toEqual([streamKey(conversationId), "public.messages"])
          return message.id
        }
        try {
          const replyId = await turn(0)
          const path = `/conversations/${conversationId}/messages`
          const [asked] = (await here.request<MessagePage>("GET", path)).body.data
          for (const id of [asked!.id, replyId])
            expect((await here.request("DELETE", `${path}/${id}`)).status).toBe(204)
          await expect.poll(traces, { timeout: 20_000 }).toEqual([])
          await turn(1)
          expect((await here.request("DELETE", `/conversations/${conversationId}`)).status).toBe(204)
          await expect.poll(traces, { timeout: 20_000 }).toEqual([])
        } finally {
          await database.close()
        }
      },
      within,
    )

    test.each([
      {
        without: "the other node has no Redis",
        cut: async () => stage.second.redis.refuse(),
        heal: async () => undefined,
      },
      { without: "no node has Redis", cut: () => stage.redis.kill(), heal: () => stage.redis.restart() },
    ])(
      "while $without: the device elsewhere is told too, or begins anew without it",
      async ({ cut, heal }) => {
        const devices = await begin()
        await cut()
        expect((await here.request("DELETE", devices.path)).status).toBe(204)
        expect((await devices.here.next("message.removed")).message_id).toBe(devices.id)
        const closed = devices.there.closed.then(({ code }) => code)
        // Who is closed hears no more frames.
        const removed = devices.there.next("message.removed").then(
          ({ message_id }) => message_id,
          () => closed,
        )
        await heal()
        expect([devices.id, 1012]).toContain(await Promise.race([removed, closed]))
        const again = await there.connect(conversationId, devices.cursor)
        expect(again.frames[0]).toMatchObject({ messages: [{ content: "noted" }], reply: null })
      },
      within,
    )
  },
)
