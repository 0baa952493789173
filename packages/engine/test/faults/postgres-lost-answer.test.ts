import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { heard, say, TwoNodeStage } from "../support/two-node-stage.ts"
import type { Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const takeOverWithin = 60_000

describe.skipIf(missing !== null)(`cut between commit and acknowledgement${missing ? `: ${missing}` : ""}`, () => {
  let stage: TwoNodeStage
  /** How often each question was asked of the model. */
  let asked: Map<string, number>
  beforeEach(async () => {
    asked = new Map()
    stage = await TwoNodeStage.start({
      script: ({ messages }) => {
        const question = messages.at(-1)!.content
        const time = (asked.get(question) ?? 0) + 1
        asked.set(question, time)
        return [{ text: `answer ${time} to ${question}` }]
      },
    })
  })
  afterEach(() => stage.close())

  /** The send is committed, its answer is lost, and the node cannot ask again: so its client is refused. */
  async function loseAcknowledgement(send: () => void): Promise<void> {
    const lost = stage.first.postgres.loseAnswerTo("grizz_accept_message")
    send()
    await lost
    stage.first.postgres.refuse()
  }

  /** The same user on both nodes, with a conversation. */
  async function meet() {
    const here = stage.nodes.user(stage.first)
    const there = stage.nodes.user(stage.second, here.id)
    return { here, there, conversationId: await here.today() }
  }

  const userMessages = (conversationId: string) =>
    stage.query<{ content: string }>(
      "select content from public.messages where conversation_id = $1::uuid and role = 'user' order by position",
      [conversationId],
    )

  test(
    "repeated on another node it is one message with one answer in the typed protocol, and no text strays in plain mode",
    async () => {
      const typed = await meet()
      const plain = await meet()
      const near = await typed.here.connect(typed.conversationId)
      const far = await typed.there.connect(typed.conversationId)
      const watching = await typed.there.connect(typed.conversationId)
      const nearPlain = await plain.here.connectPlain(plain.conversationId)
      const farPlain = await plain.there.connectPlain(plain.conversationId)
      // Nothing is sent on connect: an answer says that both are joined.
      for (const [wire, text] of [
        [nearPlain, "first"],
        [farPlain, "second"],
      ] as const) {
        wire.socket.send(text)
        await wire.until((told) => told === `answer 1 to ${text}`)
      }

      const id = randomUUID()
      await loseAcknowledgement(() => near.say(id, "typed"))
      expect(await near.answer(id)).toMatchObject({ type: "error", code: "unavailable" })
      stage.first.postgres.accept()
      await loseAcknowledgement(() => nearPlain.socket.send("plain"))
      expect(await nearPlain.until((text) => text.endsWith("]"))).toMatch(/^answer 1 to first\n\n\[Error: .*\]$/)
      stage.first.postgres.accept()
      expect(await userMessages(typed.conversationId)).toEqual([{ content: "typed" }])
      expect(await userMessages(plain.conversationId)).toEqual(
        ["first", "second", "plain"].map((content) => ({ content })),
      )

      expect(await say(far, "typed", id)).toBe("message.accepted")
      // A plain client has no ids: to say it again is to say something more.
      farPlain.socket.send("plain")
      expect(await userMessages(typed.conversationId)).toEqual([{ content: "typed" }])
      // Nobody knows the replies, until the leases that were begun with them are over.
      const ended = await far.next("reply.ended")
      for (const wire of [near, watching]) await wire.next("reply.ended")
      expect(ended.message.content).toBe("answer 1 to typed")
      for (const wire of [near, far, watching]) expectToldOnce(wire, id, ended.reply_id)
      const heardBySender = "answer 1 to secondanswer 2 to plain"
      expect(await farPlain.until((text) => text.includes("2 to plain"))).toBe(heardBySender)

      for (const wire of [near, far]) expect(await say(wire, "typed", id)).toBe("message.accepted")
      expect(await stage.history(typed.there, typed.conversationId)).toEqual(["typed", "answer 1 to typed"])
      const plainHistory = () => stage.history(plain.there, plain.conversationId)
      const both = [
        "first",
        "answer 1 to first",
        "second",
        "answer 1 to second",
        "plain",
        "answer 1 to plain",
        "plain",
        "answer 2 to plain",
      ]
      await expect.poll(plainHistory, { timeout: 10_000 }).toEqual(both)
      expect(await stage.reply(ended.reply_id)).toMatchObject({ status: "completed", attempt: 2 })
      expect([...asked]).toEqual(expect.arrayContaining([["typed", 1]]))
      expect(farPlain.texts.join("")).toBe(heardBySender)
    },
    takeOverWithin,
  )
})

function expectToldOnce(wire: Wire, messageId: string, replyId: string): void {
  const added = wire.frames.filter((frame) => frame.type === "message.added" && frame.message.id === messageId)
  expect(added).toHaveLength(1)
  expect(heard(wire, replyId)).toEqual({ text: "answer 1 to typed", ends: ["completed: answer 1 to typed"] })
}
