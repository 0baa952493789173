import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage } from "../support/database-stage.ts"

const within = 90_000
const missing = missingServer === null ? "" : `: ${missingServer}`

describe.skipIf(missingServer !== null)(`while PostgreSQL keeps a node waiting${missing}`, () => {
  let stage: DatabaseStage
  let frozen: number[]
  beforeEach(async () => {
    frozen = []
    stage = await DatabaseStage.start()
  })
  afterEach(async () => {
    for (const pid of frozen) process.kill(pid, "SIGCONT")
    await stage.close()
  })

  /** Stops the engine's sessions, and the process that would make new ones. */
  async function freeze(): Promise<void> {
    const rows = await stage.postgres.query<{ pid: number }>(
      `select pid from pg_stat_activity where application_name = 'grizz'
       union all select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int`,
    )
    frozen = rows.map(({ pid }) => pid)
    for (const pid of frozen) process.kill(pid, "SIGSTOP")
  }

  async function leaseOf(replyId: string): Promise<number> {
    const [row] = await stage.postgres.query<{ ms: number }>(
      "select extract(epoch from lease_until)::float * 1000 as ms from grizz.replies where id = $1",
      [replyId],
    )
    return row!.ms
  }

  test(
    "for what a dead node left in ten conversations: what is alive keeps its lease, however long that takes",
    async () => {
      const left = await stage.joinMany(10)
      const running = await stage.begin()
      const holder = await stage.postgres.connect()
      await holder.query("begin")
      await holder.query("lock table public.messages in access exclusive mode")
      for (const { user, conversationId } of left) {
        await stage.postgres.query(
          `insert into grizz.replies (id, conversation_id, message_id, user_id, position, status, attempt, calls,
            lease_owner, lease_until, started_at)
           values ($1, $2, gen_random_uuid(), $3, 1, 'running', 1, 1, 'gone', clock_timestamp(), now())`,
          [randomUUID(), conversationId, user.id],
        )
      }
      await expect.poll(() => stage.postgres.waitingForLocks(), { timeout: 10_000 }).toBeGreaterThan(0)
      const before = await leaseOf(running.replyId)
      await expect.poll(() => leaseOf(running.replyId), { timeout: 10_000 }).toBeGreaterThan(before)
      await holder.end()
    },
    within,
  )

  test(
    "because it is frozen with every session: a shutdown ends all the same, although an end waits to be saved and a send to be accepted",
    async () => {
      const { wire } = await stage.join()
      const running = await stage.begin()
      await freeze()
      wire.say(randomUUID(), "hello")
      stage.model.finish()
      await expect.poll(() => stage.engine.log.some((line) => line.includes("reply produced"))).toBe(true)
      const drained = stage.engine.drain().then(() => "drained")
      // The tests' grace, 3 s for handing over, and what closing connections takes on a slow machine.
      const late = new Promise((resolve) => setTimeout(() => resolve("it hangs"), 12_000))
      expect(await Promise.race([drained, late])).toBe("drained")
      for (const device of running.devices) expect((await device.closed).code).toBe(1012)
    },
    within,
  )
})
