import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage, type RunningTurn, toldOf } from "../support/database-stage.ts"

const within = 60_000
const whole = "before, during, and after"

describe.skipIf(missingServer !== null)(`PostgreSQL refuses${missingServer ? `: ${missingServer}` : ""}`, () => {
  let stage: DatabaseStage
  let running: RunningTurn
  let others: Awaited<ReturnType<DatabaseStage["joinMany"]>>
  beforeEach(async () => {
    stage = await DatabaseStage.start({ maxConnections: 20 })
    others = await stage.joinMany(12)
    for (const { wire } of others) expect(await stage.send(wire)).toBe("acknowledged")
    await expect.poll(() => stage.unended()).toBe(0)
    running = await stage.begin()
  })
  afterEach(() => stage.close())

  /** The model says the rest, and both devices read it before there is an end. */
  async function sayTheRest(): Promise<void> {
    stage.model.say("during, ")
    for (const device of running.devices) expect((await device.next("reply.delta")).text).toBe("during, ")
    stage.model.say("and after")
    stage.model.finish()
    for (const device of running.devices) expect((await device.next("reply.delta")).text).toBe("and after")
  }

  async function refuseAll(): Promise<void> {
    const sinceMs = performance.now()
    const answers = await Promise.all(others.map(({ wire }) => stage.send(wire)))
    expect(new Set(answers)).toEqual(new Set(["unavailable"]))
    const { user, conversationId } = others[0]!
    const body = { id: randomUUID(), content: "hello" }
    expect(await user.request("POST", `/conversations/${conversationId}/messages`, body)).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    })
    expect(performance.now() - sinceMs).toBeLessThan(15_000)
    expect(stage.database.connections.waiting).toBe(0)
  }

  /** Everything that was refused goes through, and the reply has its one end. */
  async function recover(): Promise<void> {
    const sinceMs = performance.now()
    await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
    for (const device of running.devices) {
      await device.next("reply.ended")
      expect(toldOf(device, running.replyId)).toEqual({ text: whole, ends: ["completed"] })
    }
    expect(performance.now() - sinceMs).toBeLessThan(15_000)
    await expect.poll(() => stage.unended(), { timeout: 10_000 }).toBe(0)
    expect(await stage.history(running.user, running.conversationId)).toEqual(["go", whole])
    for (const { user, conversationId } of others) {
      expect(await stage.history(user, conversationId)).toEqual(["hello", "ok", "hello", "ok"])
    }
    expect(await stage.lost()).toEqual([])
    // The pool's ten, and none of its overflow.
    await expect.poll(() => stage.database.connections.total, { timeout: 10_000 }).toBeLessThanOrEqual(10)
    expect(stage.database.connections.waiting).toBe(0)
  }

  test(
    "every write, because it failed over to a replica: what is stored can be read, and what was said is kept",
    async () => {
      await stage.postgres.setReadOnly(true)
      await refuseAll()
      await sayTheRest()
      // Who comes now reads what is stored.
      const { user, conversationId } = others[0]!
      expect(await stage.history(user, conversationId)).toEqual(["hello", "ok"])
      const late = await running.user.connect(running.conversationId)
      expect(late.frames[0]).toMatchObject({ reply: { reply_id: running.replyId, text: whole } })
      const [device] = running.devices
      device.send({ type: "reply.stop", reply_id: running.replyId })
      expect(await device.next("error")).toMatchObject({ code: "unavailable", ref: running.replyId })
      await stage.postgres.setReadOnly(false)
      await recover()
      expect(toldOf(late, running.replyId)).toEqual({ text: whole, ends: ["completed"] })
    },
    within,
  )

  test(
    "new connections, which others have taken: those that the engine has go on, and nobody waits for long",
    async () => {
      const giveBack = await stage.postgres.occupyAll()
      const sinceMs = performance.now()
      const answers = await Promise.all(others.map(({ wire }) => stage.send(wire)))
      expect(performance.now() - sinceMs).toBeLessThan(15_000)
      expect(answers).toContain("acknowledged")
      expect(stage.database.connections.waiting).toBe(0)
      await sayTheRest()
      for (const device of running.devices) {
        expect(await device.next("reply.ended")).toMatchObject({ reply_id: running.replyId, status: "completed" })
        expect(toldOf(device, running.replyId)).toEqual({ text: whole, ends: ["completed"] })
      }
      await giveBack()
      await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
      await expect.poll(() => stage.unended(), { timeout: 10_000 }).toBe(0)
      expect(await stage.lost()).toEqual([])
    },
    within,
  )

  test(
    "every connection, because others have taken those of the engine too: sends fail at once, the text goes on",
    async () => {
      const first = await stage.postgres.occupyAll()
      await stage.postgres.endSessions()
      const second = await stage.postgres.occupyAll()
      await refuseAll()
      await sayTheRest()
      await Promise.all([first(), second()])
      await recover()
    },
    within,
  )
})
