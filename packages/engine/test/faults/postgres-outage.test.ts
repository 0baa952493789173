import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage, toldOf } from "../support/database-stage.ts"
import { footprint } from "../support/footprint.ts"

const within = 60_000

describe.skipIf(missingServer !== null)(`PostgreSQL goes away${missingServer ? `: ${missingServer}` : ""}`, () => {
  let stage: DatabaseStage
  beforeEach(async () => {
    stage = await DatabaseStage.start()
  })
  afterEach(() => stage.close())

  /** A send that waits in the database for a lock of the test's own, so that the fault hits it there. */
  async function sendUnderWay() {
    const { user, conversationId, wire } = await stage.join()
    const holder = await stage.postgres.connect()
    await holder.query("begin")
    await holder.query("select 1 from public.conversations where id = $1 for update", [conversationId])
    const id = randomUUID()
    const answer = stage.send(wire, id)
    await expect.poll(() => stage.postgres.waitingForLocks()).toBe(1)
    return { user, conversationId, wire, id, answer, holder }
  }

  test.each([
    { fault: "killed", goAway: () => stage.postgres.kill() },
    { fault: "restarted", goAway: () => stage.postgres.shutDown() },
  ])(
    "$fault with a reply running and a send under way: sends fail at once, the text goes on, and all that was said is there",
    async ({ goAway }) => {
      const others = await stage.joinMany(20)
      for (const { wire } of others) expect(await stage.send(wire)).toBe("acknowledged")
      await expect.poll(() => stage.unended()).toBe(0)
      const running = await stage.begin()
      const underWay = await sendUnderWay()
      const before = footprint()

      await goAway()
      const awaySinceMs = performance.now()
      // Shutting down may end the lock's holder first, so that the send is committed in time.
      await underWay.answer
      stage.model.say("during, ")
      for (const device of running.devices) expect((await device.next("reply.delta")).text).toBe("during, ")
      stage.model.say("and after")
      stage.model.finish()
      const refused = await Promise.all(others.map(({ wire }) => sendMany(wire, 10)))
      expect(new Set(refused.flat())).toEqual(new Set(["unavailable"]))
      const { status, body } = await underWay.user.request(
        "POST",
        `/conversations/${underWay.conversationId}/messages`,
        {
          id: randomUUID(),
          content: "hello",
        },
      )
      expect({ status, code: body["code"] }).toEqual({ status: 503, code: "unavailable" })
      expect((await fetch(`${stage.engine.url}/health`)).status).toBe(200)
      expect((await fetch(`${stage.engine.url}/ready`)).status).toBe(503)
      expect(performance.now() - awaySinceMs).toBeLessThan(20_000)
      expect(stage.database.connections.waiting).toBe(0)

      await stage.postgres.restart()
      const backSinceMs = performance.now()
      for (const device of running.devices) {
        expect(await device.next("reply.ended")).toMatchObject({ reply_id: running.replyId, status: "completed" })
      }
      // The very same send, which may or may not have been committed.
      await stage.sendUntilAcknowledged(underWay.wire, underWay.id)
      await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
      expect(performance.now() - backSinceMs).toBeLessThan(20_000)
      await expect.poll(() => stage.unended(), { timeout: 10_000 }).toBe(0)

      const whole = "before, during, and after"
      for (const device of running.devices) {
        expect(toldOf(device, running.replyId)).toEqual({ text: whole, ends: ["completed"] })
      }
      expect(await stage.history(running.user, running.conversationId)).toEqual(["go", whole])
      expect(await stage.history(underWay.user, underWay.conversationId)).toEqual(["hello", "ok"])
      expect(await stage.lost()).toEqual([])
      await expect.poll(() => stage.database.connections.waiting).toBe(0)
      await expectBackAt(before)
    },
    within,
  )

  test(
    "every session is ended at once: the text goes on, and what was under way is stored once",
    async () => {
      const others = await stage.joinMany(20)
      const running = await stage.begin()
      const underWay = await sendUnderWay()
      await stage.postgres.endSessions()
      await underWay.holder.end()
      await underWay.answer
      await stage.sendUntilAcknowledged(underWay.wire, underWay.id)
      await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
      const said = () => stage.history(underWay.user, underWay.conversationId)
      await expect.poll(said, { timeout: 10_000 }).toEqual(["hello", "ok"])
      stage.model.say("and after")
      stage.model.finish()
      for (const device of running.devices) {
        await device.next("reply.ended")
        expect(toldOf(device, running.replyId)).toEqual({ text: "before, and after", ends: ["completed"] })
      }
      expect(await stage.history(running.user, running.conversationId)).toEqual(["go", "before, and after"])
      expect(await stage.lost()).toEqual([])
    },
    within,
  )

  async function sendMany(wire: Parameters<DatabaseStage["send"]>[0], count: number): Promise<string[]> {
    const answers: string[] = []
    for (let index = 0; index < count; index += 1) answers.push(await stage.send(wire))
    return answers
  }

  /** Timers and sockets are as many as before, and the heap is not more than a tenth larger. */
  async function expectBackAt(before: ReturnType<typeof footprint>): Promise<void> {
    const { Timeout: timers = 0, TCPSocketWrap: sockets = 0 } = before.resources
    const now = () => footprint().resources
    await expect.poll(() => now()["Timeout"] ?? 0, { timeout: 10_000 }).toBeLessThanOrEqual(timers)
    await expect.poll(() => now()["TCPSocketWrap"] ?? 0, { timeout: 10_000 }).toBeLessThanOrEqual(sockets)
    expect(footprint().heapBytes).toBeLessThan(before.heapBytes * 1.1)
  }
})
