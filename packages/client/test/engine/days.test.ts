import { afterEach, describe, expect, test } from "vitest"
import { isOpen, isQuietWith, RealEngine } from "./real-engine.ts"

const real = new RealEngine()

const halfAnHourMs = 1_800_000

/** Sets the engine's clock, and gives one for the device, to so many ms before the next midnight in UTC. */
function beforeMidnight(ms: number): () => number {
  real.aheadMs = 86_400_000 - (Date.now() % 86_400_000) - ms
  return () => Date.now() + real.aheadMs
}

const zone = process.env["TZ"]
afterEach(() => {
  if (zone === undefined) delete process.env["TZ"]
  else process.env["TZ"] = zone
})

describe("today", () => {
  test("says at midnight that its day is over, and stays the conversation of its day", async () => {
    const client = real.client({ now: beforeMidnight(halfAnHourMs) })
    const conversation = real.follow(client.today("UTC"))
    await conversation.until(isOpen)
    const events: string[] = []
    const listening = (async () => {
      for await (const event of conversation.events()) events.push(event.type)
    })()
    // Only now: whatever stalls from here on, today was asked for before midnight.
    beforeMidnight(100)
    client.wake()
    await conversation.until((state) => state.dayOver)
    conversation.send("Still up")
    real.model.finish()
    const { messages } = await conversation.until(isQuietWith(2))
    const next = real.follow(client.today("UTC"))
    await next.until(isOpen)
    expect(next.id).not.toBe(conversation.id)
    expect(next.state.dayOver).toBe(false)
    expect(messages[0]?.conversation_id).toBe(conversation.id)
    conversation.close()
    await listening
    expect(events.filter((type) => type === "day.over")).toHaveLength(1)
  })

  test("says so on return after midnight, also where its line was closed meanwhile", async () => {
    const client = real.client({ now: beforeMidnight(halfAnHourMs) })
    const [asleep, closed] = [real.follow(client.today("UTC")), real.follow(client.today("UTC"))]
    await Promise.all([asleep, closed].map((one) => one.until(isOpen)))
    closed.close()
    real.aheadMs += 8 * 3_600_000
    client.wake()
    await asleep.until((state) => state.dayOver)
    expect(closed.state.dayOver).toBe(false)
    closed.connect()
    await closed.until((state) => state.dayOver)
  })

  test("goes by the zone that the device is in at that moment", async () => {
    process.env["TZ"] = "Pacific/Kiritimati"
    const client = real.client()
    const conversation = real.follow(client.today())
    await conversation.until(isOpen)
    expect(conversation.state.conversation?.timezone).toBe("Pacific/Kiritimati")
    expect(conversation.state.dayOver).toBe(false)
    // Never the same date as there: the date line lies between.
    process.env["TZ"] = "Pacific/Pago_Pago"
    client.wake()
    await conversation.until((state) => state.dayOver)
  })

  test("is given up, and says why, where nobody knows the zone", async () => {
    const conversation = real.follow(real.client().today("Mars/Olympus_Mons"))
    const { connection } = await conversation.until(({ connection: { status } }) => status === "closed")
    expect(connection.error).toMatchObject({ code: "invalid_request", message: expect.stringMatching(/zone/) })
  })

  test("believes the engine where the device's clock is wrong, and moves on when the engine does", async () => {
    beforeMidnight(halfAnHourMs)
    const twoDaysFast = () => Date.now() + real.aheadMs + 2 * 86_400_000
    const conversation = real.today({ now: twoDaysFast, timing: { dayRecheckMs: 20 } })
    await conversation.until(isOpen)
    conversation.send("What day is it?")
    real.model.finish()
    await conversation.until(isQuietWith(2))
    expect(conversation.state.dayOver).toBe(false)
    real.aheadMs += 2 * 3_600_000
    await conversation.until((state) => state.dayOver)
  })
})
