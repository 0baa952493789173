import { describe, expect, test } from "vitest"
import { type HeldRead, ReadHold } from "./read-hold.ts"

/** A timer that the test lets tick. */
class ManualTimer {
  intervals: number[] = []
  #tick: (() => void) | null = null

  readonly every = (intervalMs: number, tick: () => void) => {
    expect(this.#tick).toBeNull()
    this.intervals.push(intervalMs)
    this.#tick = tick
    return () => (this.#tick = null)
  }

  get isRunning(): boolean {
    return this.#tick !== null
  }

  /** False when it does not run. */
  tick(): boolean {
    this.#tick?.()
    return this.#tick !== null
  }
}

function holdOf(maxMs: number, answers: number) {
  const timer = new ManualTimer()
  const hold = new ReadHold({ maxMs, every: timer.every })
  for (let answer = 0; answer < answers; answer++) hold.begin()
  return { hold, timer }
}

function countingRead(): HeldRead & { times: number } {
  return {
    times: 0,
    readOn() {
      this.times += 1
    },
  }
}

/** After how many ticks it reads on. */
function ticksUntil(timer: ManualTimer, read: { times: number }): number {
  let ticks = 0
  while (read.times === 0) {
    expect(timer.isRunning).toBe(true)
    timer.tick()
    ticks += 1
  }
  return ticks
}

describe("how long reads are held", () => {
  test.each([
    [0, 0],
    [1, 0],
    [25, 0],
    [26, 10],
    [50, 20],
    [63, 40],
    [100, 60],
    [10_000, 60],
  ])("with %i answers at once: %i ms", (answers, ms) => {
    const { hold, timer } = holdOf(60, answers)
    expect(hold.holdMs).toBe(ms)
    const read = countingRead()
    expect(hold.hold(read)).toBe(ms > 0)
    if (ms > 0) expect(ticksUntil(timer, read) * timer.intervals[0]!).toBe(ms)
  })

  test.each([1, 2, 5, 7, 59, 60, 61, 100, 999, 1000])(
    "never more than the %i ms that were set, nor much less",
    (maxMs) => {
      const { hold, timer } = holdOf(maxMs, 1000)
      const read = countingRead()
      expect(hold.hold(read)).toBe(true)
      const heldMs = ticksUntil(timer, read) * timer.intervals[0]!
      expect(heldMs).toBe(hold.holdMs)
      expect(heldMs).toBeLessThanOrEqual(maxMs)
      expect(heldMs).toBeGreaterThan(maxMs * 0.8)
    },
  )

  test("0, when that was set, however many answers there are", () => {
    const { hold, timer } = holdOf(0, 1000)
    expect(hold.hold(countingRead())).toBe(false)
    expect(timer.isRunning).toBe(false)
  })

  test("shrinks as answers end", () => {
    const { hold } = holdOf(60, 100)
    for (let answer = 0; answer < 75; answer++) hold.end()
    expect(hold.hold(countingRead())).toBe(false)
  })
})

describe("the timer", () => {
  test("is one for all, and stops when nothing is held", () => {
    const { hold, timer } = holdOf(60, 100)
    const reads = Array.from({ length: 100 }, countingRead)
    for (const read of reads) {
      expect(hold.hold(read)).toBe(true)
      timer.tick()
    }
    expect(timer.intervals).toEqual([10])
    while (timer.tick());
    expect(reads.map(({ times }) => times)).toEqual(reads.map(() => 1))
    expect(hold.hold(countingRead())).toBe(true)
    expect(timer.intervals).toEqual([10, 10])
  })

  test("goes on when what reads on is held again at once", () => {
    const { hold, timer } = holdOf(60, 100)
    let times = 0
    const read = {
      readOn() {
        times += 1
        hold.hold(read)
      },
    }
    hold.hold(read)
    for (let tick = 0; tick < 60; tick++) expect(timer.tick()).toBe(true)
    expect(times).toBe(10)
    expect(timer.intervals).toEqual([10])
  })
})

test("answers that began together read on in several bursts instead of one", () => {
  const { hold, timer } = holdOf(60, 200)
  let inThisTick = 0
  const reads = Array.from({ length: 200 }, () => {
    const read = {
      readOn() {
        inThisTick += 1
        hold.hold(read)
      },
    }
    return read
  })
  for (const read of reads) hold.hold(read)
  const bursts = Array.from({ length: 120 }, () => {
    inThisTick = 0
    timer.tick()
    return inThisTick
  })
  expect(Math.max(...bursts.slice(-12))).toBeLessThan(120)
  // Each of them was held 50 or 60 ms.
  const times = bursts.reduce((sum, count) => sum + count, 0)
  expect(times).toBeGreaterThanOrEqual(200 * 20)
  expect(times).toBeLessThanOrEqual(200 * 24)
})
