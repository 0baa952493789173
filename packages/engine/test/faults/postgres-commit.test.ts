import { randomUUID } from "node:crypto"
import type { Client } from "pg"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { DatabaseStage, toldOf } from "../support/database-stage.ts"
import type { Wire } from "../support/wire.ts"

const within = 60_000

/** Whoever writes a message waits as its transaction commits: its statement is over by then. */
const waitAtCommit = `
  create function public.wait_at_commit() returns trigger language plpgsql set lock_timeout to 0
  as $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
  create constraint trigger wait_at_commit after insert on public.messages
  deferrable initially deferred for each row execute function public.wait_at_commit()`

describe.skipIf(missingServer !== null)(`a commit that takes long${missingServer ? `: ${missingServer}` : ""}`, () => {
  let stage: DatabaseStage
  let holder: Client
  beforeEach(async () => {
    stage = await DatabaseStage.start()
    await stage.postgres.query(waitAtCommit)
    holder = await stage.postgres.connect()
  })
  afterEach(() => stage.close())

  async function untilCommitting(count: number): Promise<void> {
    await expect.poll(() => stage.postgres.waitingForLocks(), { timeout: 10_000 }).toBe(count)
  }

  /** Resolves when everything that was said to this device until now has come. */
  async function hearAll(wire: Wire): Promise<void> {
    wire.send({ type: "ping" })
    await wire.next("pong")
  }

  test(
    "nobody is told of a message or of an end before it, and all are told after it",
    async () => {
      const running = await stage.begin()
      const { wire, user, conversationId } = await stage.join()
      const other = await user.connect(conversationId)
      await holder.query("select pg_advisory_lock(1)")
      const id = randomUUID()
      wire.say(id, "hello")
      wire.say(id, "hello")
      await untilCommitting(1)
      stage.model.say("all")
      stage.model.finish()
      await untilCommitting(2)
      for (const device of [wire, other, ...running.devices]) await hearAll(device)
      for (const device of [wire, other]) expect(device.frames.map(({ type }) => type)).toEqual(["ready", "pong"])
      for (const device of running.devices)
        expect(toldOf(device, running.replyId)).toEqual({ text: "before, all", ends: [] })
      expect(await stage.history(user, conversationId)).toEqual([])
      expect(await stage.history(running.user, running.conversationId)).toEqual(["go"])

      await holder.end()
      for (const device of [wire, other]) expect((await device.next("message.added")).message.id).toBe(id)
      expect(await wire.next("message.accepted")).toMatchObject({ message_id: id })
      for (const device of running.devices) expect((await device.next("reply.ended")).status).toBe("completed")
      await wire.next("reply.ended")
      expect(await stage.history(user, conversationId)).toEqual(["hello", "ok"])
      expect(await stage.history(running.user, running.conversationId)).toEqual(["go", "before, all"])
    },
    within,
  )
})
