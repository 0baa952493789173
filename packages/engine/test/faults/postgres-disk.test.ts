import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage, toldOf } from "../support/database-stage.ts"
import { canMakeDisks } from "../support/postgres-server.ts"

const missing = missingServer ?? (canMakeDisks() ? null : "no right to mount a small disk")
const within = 60_000
/** Needs several pages of its own, whatever is left in those that are there. */
const longAnswer = Array.from({ length: 500 }, () => randomUUID()).join(" ")

describe.skipIf(missing !== null)(`PostgreSQL's disk is full${missing ? `: ${missing}` : ""}`, () => {
  let stage: DatabaseStage
  beforeEach(async () => {
    stage = await DatabaseStage.start({ smallDiskMiB: 4 })
    await stage.postgres.moveMessagesToSmallDisk()
  })
  afterEach(() => stage.close())

  /** Leaves no room for a row in the pages that are there. */
  async function fillPages(conversationId: string): Promise<void> {
    const insert = `insert into public.messages (id, conversation_id, role, content, position)
      select gen_random_uuid(), $1, 'system', 'x', 1000000 + count(*) from public.messages`
    for (;;) {
      try {
        await stage.postgres.query(insert, [conversationId])
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "53100") return
        throw error
      }
    }
  }

  test(
    "sends fail at once, the text goes on, its end is saved once there is room, and nothing acknowledged is lost",
    async () => {
      const others = await stage.joinMany(10)
      const running = await stage.begin()
      await stage.postgres.fillDisk()
      await fillPages(others[0]!.conversationId)
      const sinceMs = performance.now()
      const answers = await Promise.all(others.map(({ wire }) => stage.send(wire)))
      expect(new Set(answers)).toEqual(new Set(["unavailable"]))
      expect(performance.now() - sinceMs).toBeLessThan(15_000)
      stage.model.say(longAnswer)
      stage.model.finish()
      const whole = `before, ${longAnswer}`
      for (const device of running.devices) await device.until(() => toldOf(device, running.replyId).text === whole)
      // The end is tried, and cannot be saved.
      await expect.poll(() => stage.engine.log.some((line) => line.includes("reply produced"))).toBe(true)
      expect(toldOf(running.devices[0], running.replyId).ends).toEqual([])
      await stage.postgres.freeDisk()
      for (const device of running.devices) {
        await device.next("reply.ended")
        expect(toldOf(device, running.replyId)).toEqual({ text: whole, ends: ["completed"] })
      }
      await stage.postgres.query("delete from public.messages where role = 'system'")
      await Promise.all(others.map(({ wire }) => stage.sendUntilAcknowledged(wire)))
      await expect.poll(() => stage.unended(), { timeout: 20_000 }).toBe(0)
      expect(await stage.history(running.user, running.conversationId)).toEqual(["go", whole])
      expect(await stage.lost()).toEqual([])
      expect(stage.database.connections.waiting).toBe(0)
    },
    within,
  )
})
