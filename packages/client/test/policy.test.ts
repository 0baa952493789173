import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { localDay, untilMidnightMs } from "../src/local-day.ts"
import { backoffMs, defaultTiming } from "../src/timing.ts"
import { TransportChoice } from "../src/transport-choice.ts"
import { randomUuid } from "../src/uuid.ts"

describe("the wait before another try", () => {
  test("is drawn from nothing up to a ceiling that doubles, and then stays", () => {
    const failures = fc.nat({ max: 100 })
    const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(failures, draw, (count, drawn) => {
        const ceiling = Math.min(defaultTiming.backoffMaxMs, defaultTiming.backoffBaseMs * 2 ** count)
        expect(backoffMs(count, defaultTiming, () => drawn)).toBe(drawn * ceiling)
      }),
    )
  })
})

describe("the way to the engine", () => {
  const ways = (choice: TransportChoice) => [0, 1, 2, 3, 4, 5, 6].map((failed) => choice.next(failed)[0]).join("")

  test("is a WebSocket, and soon server-sent events in turn, where none has worked yet", () => {
    expect(ways(new TransportChoice(true))).toBe("wswswsw")
  })

  test("is longer a WebSocket where one has worked", () => {
    const choice = new TransportChoice(true)
    choice.opened("websocket")
    expect(ways(choice)).toBe("wwwwsws")
    choice.opened("sse")
    expect(ways(choice)).toBe("wwwwsws")
  })

  test("is server-sent events first where only they have worked, until the device may be elsewhere", () => {
    const choice = new TransportChoice(true)
    choice.opened("sse")
    expect(ways(choice)).toBe("swswsws")
    choice.retryBest()
    expect(ways(choice)).toBe("wswswsw")
  })

  test("is server-sent events alone where the platform has no WebSocket", () => {
    expect(ways(new TransportChoice(false))).toBe("sssssss")
  })
})

describe("the day of a place", () => {
  test.each([
    ["2026-11-23T10:59:59Z", "Pacific/Auckland", "2026-11-23"],
    ["2026-11-23T11:00:00Z", "Pacific/Auckland", "2026-11-24"],
    ["2026-11-23T09:59:59Z", "Pacific/Kiritimati", "2026-11-23"],
    ["2026-11-23T10:00:00Z", "Pacific/Kiritimati", "2026-11-24"],
    ["2026-11-23T10:59:59Z", "Pacific/Pago_Pago", "2026-11-22"],
    ["2026-03-29T00:30:00Z", "Europe/Berlin", "2026-03-29"],
  ])("at %s in %s is %s", (at, zone, day) => {
    expect(localDay(Date.parse(at), zone)).toBe(day)
  })

  test("ends no later than its clock on the wall says, over every shift of time", () => {
    const zones = ["Europe/Berlin", "Africa/Cairo", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
    const at = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2028, 0, 1) })
    const property = fc.property(at, fc.constantFrom(...zones), (atMs, zone) => {
      let now = atMs
      // As the watch does: asks again at the end of each wait.
      for (let asked = 0; asked < 4 && localDay(now, zone) === localDay(atMs, zone); asked++) {
        const wait = untilMidnightMs(now, zone)
        expect(wait).toBeGreaterThan(0)
        expect(wait).toBeLessThanOrEqual(86_400_000)
        now += wait
      }
      expect(localDay(now, zone)).not.toBe(localDay(atMs, zone))
    })
    fc.assert(property, { numRuns: 300 })
  })
})

test("an id is a UUID of version 4, also where the platform has no crypto", () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, "crypto")
  const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  expect(randomUuid()).toMatch(version4)
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true })
  try {
    const ids = Array.from({ length: 100 }, randomUuid)
    for (const id of ids) expect(id).toMatch(version4)
    expect(new Set(ids).size).toBe(100)
  } finally {
    if (original !== undefined) Object.defineProperty(globalThis, "crypto", original)
  }
})
