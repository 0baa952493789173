import { randomUUID } from "node:crypto"
import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import type { TestUser } from "../support/engine.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { foldText, type Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)

describe.skipIf(missing !== null)(`two nodes that share replies${missing ? `: ${missing}` : ""}`, () => {
  let redis: RedisServer
  let nodes: Nodes
  let model: ScriptedModel
  let writer: Node
  let other: Node
  let user: TestUser
  let elsewhere: TestUser
  let conversationId: string

  beforeEach(async () => {
    redis = await RedisServer.start()
    model = new ScriptedModel()
    nodes = await Nodes.create(model.script)
    const env = { REDIS_URL: redis.url }
    ;[writer, other] = await Promise.all([nodes.start(env), nodes.start(env)])
    user = nodes.user(writer)
    elsewhere = nodes.user(other, user.id)
    conversationId = await user.today()
  })
  afterEach(async () => {
    await nodes.close()
    await redis.stop()
  })

  const essence = (wire: Wire) => wire.frames.slice(1).filter(({ type }) => type !== "reply.delta")

  test("a device on the other node reads along, stops, and resumes there in mid-word", async () => {
    const [here, there] = [await user.connect(conversationId), await elsewhere.connect(conversationId)]
    here.say(randomUUID(), "go")
    const { reply_id } = await there.next("reply.started")
    model.say("Hel")
    const { cursor } = await there.next("reply.delta")
    there.socket.terminate()
    model.say("lo")
    const again = await elsewhere.connect(conversationId, cursor)
    await again.next("reply.delta")
    again.send({ type: "reply.stop", reply_id })
    const ended = await again.next("reply.ended")
    expect(ended).toMatchObject({ status: "stopped", message: { content: "Hello" } })
    expect(foldText(again.frames, reply_id)).toBe("lo")
    await here.next("reply.ended")
    expect(essence(here).at(-1)).toEqual(ended)
  })

  test.each(["killed", "frozen"] as const)(
    "Redis is %s in mid-reply: nobody loses a word, and afterwards all is as before",
    async (fault) => {
      const [here, there] = [await user.connect(conversationId), await elsewhere.connect(conversationId)]
      here.say(randomUUID(), "go")
      model.say("before, ")
      const { reply_id } = await there.next("reply.delta")
      if (fault === "killed") await redis.kill()
      else redis.freeze()
      model.say("during, ")
      await here.next("reply.delta")
      model.say("and after")
      model.finish()
      await here.next("reply.ended")
      await there.next("reply.ended")
      for (const wire of [here, there]) expect(foldText(wire.frames, reply_id)).toBe("before, during, and after")
      if (fault === "killed") await redis.restart()
      else redis.thaw()
      there.say(randomUUID(), "again")
      model.say("as before")
      model.finish()
      for (const wire of [here, there]) expect((await wire.next("reply.ended")).message.content).toBe("as before")
      expect(essence(here)).toEqual(essence(there))
      const path = `/conversations/${conversationId}/messages`
      const history = (await elsewhere.request<MessagePage>("GET", path)).body.data
      expect(history.map(({ content }) => content)).toEqual(["go", "before, during, and after", "again", "as before"])
    },
  )

  test("a conversation that is deleted on one node closes the sockets on the other", async () => {
    const there = await elsewhere.connect(conversationId)
    expect((await user.request("DELETE", `/conversations/${conversationId}`)).status).toBe(204)
    expect((await there.closed).code).toBe(4404)
  })
})
