import { randomUUID } from "node:crypto"
import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import type { TestUser } from "../support/engine.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { foldText } from "../support/wire.ts"

const takeOverWithin = 60_000

describe.skipIf(missingServer !== null)(`faults of nodes${missingServer ? `: ${missingServer}` : ""}`, () => {
  let nodes: Nodes
  /** One scripted model for each call, in order. */
  let calls: ScriptedModel[]
  let taken: number
  let [first, second]: Node[] = []

  beforeEach(async () => {
    calls = Array.from({ length: 5 }, () => new ScriptedModel())
    taken = 0
    nodes = await Nodes.create((request) => calls[taken++]!.script(request))
    ;[first, second] = await Promise.all([nodes.start(), nodes.start()])
  })
  afterEach(() => nodes.close())

  async function begin(): Promise<{ user: TestUser; conversationId: string; replyId: string; cursor: string }> {
    const user = nodes.user(first!)
    const conversationId = await user.today()
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    const { reply_id: replyId } = await wire.next("reply.started")
    calls[0]!.say("the first try")
    const { cursor } = await wire.next("reply.delta")
    return { user, conversationId, replyId, cursor }
  }

  const historyOf = async (user: TestUser, conversationId: string) =>
    (await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)).body.data

  test(
    "a node that is killed loses its reply to the other one, which goes on under the same id as the next attempt",
    async () => {
      const { user, conversationId, replyId, cursor } = await begin()
      first!.process.kill("SIGKILL")
      const elsewhere = nodes.user(second!, user.id)
      const wire = await elsewhere.connect(conversationId, cursor)
      const killedAtMs = performance.now()
      calls[1]!.say("the second try")
      calls[1]!.finish()
      expect(await wire.next("reply.restarted")).toMatchObject({ reply_id: replyId, attempt: 2 })
      expect(performance.now() - killedAtMs).toBeLessThan(30_000)
      const ended = await wire.next("reply.ended")
      expect(ended).toMatchObject({ reply_id: replyId, status: "completed", message: { content: "the second try" } })
      expect(foldText(wire.frames, replyId)).toBe("the second try")
      expect(await historyOf(elsewhere, conversationId)).toMatchObject([
        { content: "go" },
        { id: replyId, content: "the second try" },
      ])
      expect(taken).toBe(2)
    },
    takeOverWithin,
  )

  test(
    "a node that is frozen and wakes up late writes nothing more, and hangs up on its model",
    async () => {
      const { user, conversationId, replyId, cursor } = await begin()
      first!.process.kill("SIGSTOP")
      const elsewhere = nodes.user(second!, user.id)
      const wire = await elsewhere.connect(conversationId, cursor)
      calls[1]!.say("the second try")
      expect(await wire.next("reply.restarted")).toMatchObject({ attempt: 2 })
      await wire.next("reply.delta")
      // What the first node is told now it may not pass on.
      calls[0]!.say(" of a late owner")
      const hungUp = new Promise<void>((resolve) => calls[0]!.signal.addEventListener("abort", () => resolve()))
      first!.process.kill("SIGCONT")
      await hungUp
      calls[1]!.say(", whole")
      calls[1]!.finish()
      await wire.next("reply.ended")
      for (const view of [elsewhere, user]) {
        expect(await historyOf(view, conversationId)).toMatchObject([
          { content: "go" },
          { id: replyId, content: "the second try, whole" },
        ])
      }
      expect(taken).toBe(2)
    },
    takeOverWithin,
  )

  test(
    "when every owner dies the reply fails with the text that was saved last",
    async () => {
      const { user, conversationId, replyId, cursor } = await begin()
      first!.process.kill("SIGKILL")
      const elsewhere = nodes.user(second!, user.id)
      const wire = await elsewhere.connect(conversationId, cursor)
      calls[1]!.say("the second try")
      await wire.next("reply.restarted")
      await wire.next("reply.delta")
      const database = openServerDatabase(nodes.databaseUrl)
      const saved = () => sql(database, "select text from grizz.replies where id = $1::uuid", [replyId])
      await expect.poll(saved).toEqual([{ text: "the second try" }])
      await database.close()
      second!.process.kill("SIGKILL")
      const third = await nodes.start()
      const late = await nodes.user(third, user.id).connect(conversationId, cursor)
      const ended = await late.next("reply.ended")
      expect(ended).toMatchObject({
        reply_id: replyId,
        status: "failed",
        error: { code: "interrupted", retryable: true },
      })
      expect(ended.message.content).toBe("the second try")
      expect(foldText(late.frames, replyId)).toBe("the second try")
      expect(taken).toBe(2)
    },
    takeOverWithin,
  )

  test(
    "a deploy hands over at once what does not finish in its grace, and does not count it",
    async () => {
      // Without Redis a reader hears only what its own node produces, so there is but one to hand over to.
      await second!.process.end()
      const user = nodes.user(first!)
      const third = await nodes.start({ DRAIN_TIMEOUT_MS: "300", REPLY_MAX_ATTEMPTS: "1" })
      const early = nodes.user(third, user.id)
      const conversationId = await early.today()
      const wire = await early.connect(conversationId)
      wire.say(randomUUID(), "one")
      wire.say(randomUUID(), "two")
      calls[0]!.say("half")
      const { cursor, reply_id: replyId } = await wire.next("reply.delta")
      third.process.kill("SIGTERM")
      expect(await third.process.exited).toEqual({ code: 0, signal: null })
      expect((await wire.closed).code).toBe(1012)
      const drainedAtMs = performance.now()
      const late = await user.connect(conversationId, cursor)
      for (const call of calls.slice(1)) {
        call.say("whole")
        call.finish()
      }
      expect(await late.next("reply.restarted")).toMatchObject({ reply_id: replyId, attempt: 2 })
      expect(performance.now() - drainedAtMs).toBeLessThan(10_000)
      await late.next("reply.ended")
      await late.next("reply.ended")
      expect((await historyOf(user, conversationId)).map(({ content }) => content)).toEqual([
        "one",
        "whole",
        "two",
        "whole",
      ])
    },
    takeOverWithin,
  )

  test("the same send 50 times in parallel on two nodes is one message, one reply, one model call", async () => {
    const here = nodes.user(first!)
    const there = nodes.user(second!, here.id)
    const conversationId = await here.today()
    const wires = await Promise.all([here, there, here, there, here].map((user) => user.connect(conversationId)))
    const id = randomUUID()
    for (let time = 0; time < 10; time++) for (const wire of wires) wire.say(id, "once")
    calls[0]!.finish()
    const acknowledged = await Promise.all(wires.map((wire) => wire.next("message.accepted")))
    expect(new Set(acknowledged.map(({ reply_id }) => reply_id)).size).toBe(1)
    await expect.poll(async () => (await historyOf(here, conversationId)).length).toBe(2)
    expect(taken).toBe(1)
  })
})
