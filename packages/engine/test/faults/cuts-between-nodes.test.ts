import { randomUUID } from "node:crypto"
import type { MessagePage, ServerFrame } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import type { SseStream } from "../support/sse.ts"
import { foldText, type Wire } from "../support/wire.ts"

const missing = findRedisServer() === null ? ": no redis-server found" : ""
const deltas = Array.from({ length: 200 }, (_, index) => `${index} 🐻 Bär 熊 `)

describe.skipIf(missing !== "")(`one device that is cut off after every delta${missing}`, () => {
  let redis: RedisServer
  let opened: OpenDatabase
  let engines: TestEngine[]
  let model: ScriptedModel
  /** The same user, as seen by each node. */
  let views: TestUser[]
  let conversationId: string

  beforeEach(async () => {
    redis = await RedisServer.start()
    opened = await oneDatabaseKind.open()
    model = new ScriptedModel()
    const env = { REDIS_URL: redis.url }
    const start = () => startTestEngine({ database: opened.database, script: model.script, env })
    engines = [await start(), await start()]
    const user = await engines[0]!.user()
    views = [user, await engines[1]!.user(user.id)]
    conversationId = await user.today()
  })
  afterEach(async () => {
    for (const engine of engines) await engine.close()
    await opened.close()
    await redis.stop()
  })

  const comesBackOn: Record<string, (nth: number, after: string) => Promise<Wire | SseStream>> = {
    "on the writer's node and on another one in turn": (nth, after) => views[nth % 2]!.connect(conversationId, after),
    "on another node": (_, after) => views[1]!.connect(conversationId, after),
    "over a socket and over HTTP, on either node": (nth, after) =>
      nth % 4 < 2
        ? views[nth % 2]!.connect(conversationId, after)
        : views[nth % 2]!.follow(conversationId, { headers: { "last-event-id": after } }),
  }

  test.each(Object.keys(comesBackOn))(
    "and comes back %s: it hears each word once",
    async (where) => {
      const speaker = await views[0]!.connect(conversationId)
      speaker.say(randomUUID(), "go")
      const { reply_id: replyId, cursor } = await speaker.next("reply.started")
      const told: ServerFrame[] = []
      let after = cursor
      for (const [nth, delta] of deltas.entries()) {
        const stream = await comesBackOn[where]!(nth, after)
        expect(stream.frames[0]).toMatchObject({ type: "ready", messages: null })
        model.say(delta)
        after = (await stream.next("reply.delta")).cursor
        hangUp(stream)
        // Nothing more than one delta came: the text before it was not told again.
        told.push(
          ...stream.frames.slice(
            1,
            stream.frames.findIndex((frame) => "cursor" in frame && frame.cursor === after) + 1,
          ),
        )
      }
      model.finish()
      const last = await views[1]!.connect(conversationId, after)
      await last.next("reply.ended")
      told.push(...last.frames.slice(1))
      const stored = (await views[0]!.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)).body
        .data[1]
      expect(stored).toMatchObject({ id: replyId, status: "completed", content: deltas.join("") })
      expect(foldText(told, replyId)).toBe(stored!.content)
      expect(told.map(({ type }) => type)).toEqual([...deltas.map(() => "reply.delta"), "reply.ended"])
    },
    120_000,
  )
})

function hangUp(stream: Wire | SseStream): void {
  if ("cut" in stream) stream.cut()
  else stream.socket.terminate()
}
