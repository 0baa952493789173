import { setImmediate as settled } from "node:timers/promises"
import { beforeEach, describe, expect, test } from "vitest"
import { LiveReplyLog } from "../../src/live/live-reply-log.ts"
import { beginning, Device } from "./device.ts"
import { Ledger } from "./ledger.ts"

describe("on one node, what nobody told is read from the database", () => {
  let log: LiveReplyLog
  let nowMs: number
  let urgent: number
  let ledger: Ledger
  let device: Device

  beforeEach(() => {
    nowMs = 0
    urgent = 0
    log = new LiveReplyLog({ connect: null, onRestless: () => (urgent += 1), now: () => nowMs })
    ledger = new Ledger()
    device = new Device()
    log.follow(ledger.conversationId, device, ledger.read).begin(beginning, [], 0)
  })

  async function pass(ms: number): Promise<void> {
    nowMs += ms
    log.tick()
    await settled()
  }

  test("not while turns come and go", async () => {
    for (const position of [0, 2]) {
      log.announce(ledger.say(position), `r${position + 1}`, true)
      const writer = log.start(ledger.start(position + 1))
      writer.append("said")
      await pass(60_000)
      writer.end(ledger.end("said"))
    }
    await pass(60_000)
    expect(ledger.reads).toBe(0)
    expect(urgent).toBe(0)
  })

  test("a message whose commit was never heard of, as soon as the next one is announced", async () => {
    log.announce(ledger.say(0), "r1", true)
    log.start(ledger.start(1)).end(ledger.end(""))
    ledger.say(2)
    ledger.start(3)
    log.announce(ledger.say(4), "r5", false)
    expect(urgent).toBe(1)
    await pass(50)
    expect(device.events).toEqual(["said m0", "started r1", "ended r1", "said m2", "said m4", "started r3"])
    expect(device.violations).toEqual([])
  })

  test("the end of a reply that was let go here, a few seconds later", async () => {
    log.announce(ledger.say(0), "r1", true)
    const writer = log.start(ledger.start(1))
    writer.append("half")
    writer.abandon()
    ledger.end("half")
    await pass(2500)
    expect(ledger.reads).toBe(0)
    await pass(1000)
    expect(ledger.reads).toBe(1)
    expect(device.events).toEqual(["said m0", "started r1", "ended r1"])
    await pass(60_000)
    expect(ledger.reads).toBe(1)
  })
})
