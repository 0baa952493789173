import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { DayWatch } from "../src/day-watch.ts"

const opened = {
  id: "01990000-0000-7000-8000-000000000000",
  user_id: "01990000-0000-7000-8000-000000000001",
  title: null,
  conv_day: "2026-05-02",
  timezone: "UTC",
  created_at: "2026-05-02T00:00:00Z",
  updated_at: "2026-05-02T00:00:00Z",
}

beforeEach(() => vi.useFakeTimers({ now: Date.parse("2026-05-02T00:00:01Z") }))
afterEach(() => vi.useRealTimers())

test("takes no clock for wrong because midnight came between the question and its answer", async () => {
  const today = vi.fn(async () => opened)
  const onOver = vi.fn()
  const watch = new DayWatch({ timezone: () => "UTC", now: () => Date.now(), today, recheckMs: 1000, onOver })
  watch.start(opened, "2026-05-01")
  await vi.advanceTimersByTimeAsync(86_390_000)
  expect(today).toHaveBeenCalledOnce()
  expect(onOver).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(onOver).toHaveBeenCalledOnce()
})

test("is over at midnight also where it was looked for within the day's last millisecond", async () => {
  let nowMs = Date.parse("2026-05-02T23:59:59.999Z")
  const onOver = vi.fn()
  const watch = new DayWatch({
    timezone: () => "UTC",
    // Time passes between any two readings.
    now: () => nowMs++,
    today: async () => opened,
    recheckMs: 1000,
    onOver,
  })
  watch.start(opened, "2026-05-02")
  expect(onOver).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(onOver).toHaveBeenCalledOnce()
})
