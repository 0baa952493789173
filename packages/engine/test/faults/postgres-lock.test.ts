import { randomUUID } from "node:crypto"
import type { Client } from "pg"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage, toldOf } from "../support/database-stage.ts"

const within = 60_000
/** How long a statement waits for a lock; a send is tried twice. */
const statementTimeoutMs = 1000

describe.skipIf(missingServer !== null)(`a lock in PostgreSQL${missingServer ? `: ${missingServer}` : ""}`, () => {
  let stage: DatabaseStage
  /** Another client of the database, in a transaction that holds the lock. */
  let holder: Client
  beforeEach(async () => {
    stage = await DatabaseStage.start({ statementTimeoutMs })
    holder = await stage.postgres.connect()
    await holder.query("begin")
  })
  afterEach(async () => {
    await holder.end()
    await stage.close()
  })

  test(
    "on one conversation: its sends are refused in bounded time, its text goes on, and others notice nothing",
    async () => {
      const others = await stage.joinMany(20)
      const running = await stage.begin()
      const [device, second] = running.devices
      await holder.query("select 1 from public.conversations where id = $1 for update", [running.conversationId])
      const sinceMs = performance.now()
      const ids = [randomUUID(), randomUUID()] as const
      const refused = Promise.all([stage.send(device, ids[0]), stage.send(second, ids[1])])
      await Promise.all(others.map(async ({ wire }) => expect(await stage.send(wire)).toBe("acknowledged")))
      for (const { wire } of others) expect((await wire.next("reply.ended")).message.content).toBe("ok")
      expect(await refused).toEqual(["unavailable", "unavailable"])
      // One after the other, two tries each.
      expect(performance.now() - sinceMs).toBeLessThan(2 * 2 * statementTimeoutMs + 5000)
      stage.model.say("and after")
      expect((await device.next("reply.delta")).text).toBe("and after")
      stage.model.finish()
      // The end waits for the lock too, and is tried until it is saved.
      await expect.poll(() => stage.postgres.waitingForLocks()).toBe(1)
      await holder.query("rollback")
      for (const one of running.devices) {
        await one.next("reply.ended")
        expect(toldOf(one, running.replyId)).toEqual({ text: "before, and after", ends: ["completed"] })
      }
      await stage.sendUntilAcknowledged(device, ids[0])
      await stage.sendUntilAcknowledged(second, ids[1])
      const history = () => stage.history(running.user, running.conversationId)
      await expect.poll(history, { timeout: 10_000 }).toEqual(["go", "before, and after", "hello", "ok", "hello", "ok"])
      expect(stage.database.connections.waiting).toBe(0)
      expect(await stage.lost()).toEqual([])
    },
    within,
  )

  test(
    "on the table of messages: sends are refused in bounded time, leases are renewed all the same, and all goes on after it",
    async () => {
      const others = await stage.joinMany(20)
      const running = await stage.begin()
      await holder.query("lock table public.messages in access exclusive mode")
      const sinceMs = performance.now()
      const refused = Promise.all(others.map(({ wire }) => stage.send(wire)))
      for (let renewal = 0; renewal < 2; renewal += 1) await expectRenewed(stage, running.replyId)
      expect(new Set(await refused)).toEqual(new Set(["unavailable"]))
      expect(performance.now() - sinceMs).toBeLessThan(15_000)
      expect(stage.database.connections.waiting).toBe(0)
      stage.model.say("and after")
      for (const device of running.devices) expect((await device.next("reply.delta")).text).toBe("and after")
      stage.model.finish()
      await holder.query("rollback")
      for (const device of running.devices) {
        await device.next("reply.ended")
        expect(toldOf(device, running.replyId)).toEqual({ text: "before, and after", ends: ["completed"] })
      }
      await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
      await expect.poll(() => stage.unended(), { timeout: 10_000 }).toBe(0)
      expect(await stage.lost()).toEqual([])
      await expect.poll(() => stage.database.connections.total, { timeout: 10_000 }).toBeLessThanOrEqual(10)
    },
    within,
  )
})

describe.skipIf(missingServer !== null)(`a sweep in PostgreSQL${missingServer ? `: ${missingServer}` : ""}`, () => {
  let stage: DatabaseStage
  beforeEach(async () => {
    stage = await DatabaseStage.start()
  })
  afterEach(() => stage.close())

  test(
    "waits for a lock on what a dead node left: the leases of what is alive are renewed all the same",
    async () => {
      const running = await stage.begin()
      const left = await stage.join()
      const holder = await stage.postgres.connect()
      await holder.query("begin")
      await holder.query("lock table public.messages in access exclusive mode")
      await stage.postgres.query(
        `insert into grizz.replies (id, conversation_id, message_id, user_id, position, status, attempt, calls,
          lease_owner, lease_until, started_at)
         values (gen_random_uuid(), $1, gen_random_uuid(), $2, 1, 'running', 1, 1, 'gone', clock_timestamp(), now())`,
        [left.conversationId, left.user.id],
      )
      await expect.poll(() => stage.postgres.waitingForLocks(), { timeout: 10_000 }).toBe(1)
      await expectRenewed(stage, running.replyId)
      await holder.query("rollback")
      await holder.end()
      stage.model.finish()
      for (const device of running.devices) {
        await device.next("reply.ended")
        expect(toldOf(device, running.replyId)).toEqual({ text: "before, ", ends: ["completed"] })
      }
      await expect.poll(() => stage.unended(), { timeout: 10_000 }).toBe(0)
    },
    within,
  )
})

/** The reply's owner renews its lease from now on once more. */
async function expectRenewed({ postgres }: DatabaseStage, replyId: string): Promise<void> {
  const lease = async () => {
    const [row] = await postgres.query<{ lease_until: Date }>("select lease_until from grizz.replies where id = $1", [
      replyId,
    ])
    return row!.lease_until.getTime()
  }
  const before = await lease()
  await expect.poll(lease, { timeout: 10_000 }).toBeGreaterThan(before)
}
