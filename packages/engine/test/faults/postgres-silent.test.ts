import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage } from "../support/database-stage.ts"

const within = 90_000

describe.skipIf(missingServer !== null)("while PostgreSQL does not answer", () => {
  let stage: DatabaseStage
  beforeEach(async () => {
    stage = await DatabaseStage.start()
  })
  afterEach(async () => {
    await stage.postgres.restart().catch(() => undefined)
    await stage.close()
  })

  test(
    "a shutdown ends in time although a reply's end waits to be saved",
    async () => {
      const running = await stage.begin()
      await stage.postgres.kill()
      stage.model.finish()
      await expect.poll(() => stage.engine.log.some((line) => line.includes("reply produced"))).toBe(true)
      const drained = stage.engine.drain().then(() => "drained")
      const late = new Promise((resolve) => setTimeout(() => resolve("it hangs"), 10_000))
      expect(await Promise.race([drained, late])).toBe("drained")
      for (const device of running.devices) expect((await device.closed).code).toBe(1012)
    },
    within,
  )

  test(
    "a send behind an end that cannot be saved is refused at once",
    async () => {
      const running = await stage.begin()
      await stage.postgres.kill()
      stage.model.finish()
      await expect.poll(() => stage.engine.log.some((line) => line.includes("reply produced"))).toBe(true)
      const late = new Promise((resolve) => setTimeout(() => resolve("no answer"), 10_000))
      expect(await Promise.race([stage.send(running.devices[0]), late])).toBe("unavailable")
    },
    within,
  )

  test(
    "leases are renewed while a table lock has taken every connection of the pool",
    async () => {
      const others = await stage.joinMany(20)
      const running = await stage.begin()
      const holder = await stage.postgres.connect()
      await holder.query("begin")
      await holder.query("lock table public.messages in access exclusive mode")
      for (const { wire } of others) wire.say(randomUUID(), "hello")
      await expect.poll(() => stage.postgres.waitingForLocks(), { timeout: 10_000 }).toBe(14)
      const lease = async () =>
        (
          await stage.postgres.query<{ ms: number }>(
            "select extract(epoch from lease_until) * 1000 as ms from grizz.replies where id = $1",
            [running.replyId],
          )
        )[0]!.ms
      const before = await lease()
      try {
        await expect.poll(lease, { timeout: 8000 }).not.toBe(before)
      } finally {
        await holder.end()
      }
    },
    within,
  )

  test(
    "a send to a conversation that is locked is refused within seconds",
    async () => {
      const { wire, conversationId } = await stage.join()
      const holder = await stage.postgres.connect()
      await holder.query("begin")
      await holder.query("select 1 from public.conversations where id = $1 for update", [conversationId])
      const late = new Promise((resolve) => setTimeout(() => resolve("no answer"), 10_000))
      try {
        expect(await Promise.race([stage.send(wire), late])).toBe("unavailable")
      } finally {
        await holder.end()
      }
    },
    within,
  )
})
