import { expect, test } from "vitest"
import { FloodBrake, ReadAllowance } from "./flood-brake.ts"

const kib = 1024

/** A brake whose timer ticks when the test says so. */
function manualBrake() {
  const ticks = new Set<() => void>()
  const every = (_: number, tick: () => void) => {
    ticks.add(tick)
    return () => ticks.delete(tick)
  }
  return { brake: new FloodBrake({ every }), ticks, tick: () => ticks.forEach((one) => one()) }
}

test("of those that wait one reads in each step, in turn, and nothing ticks when none waits", () => {
  const { brake, ticks, tick } = manualBrake()
  const reads: string[] = []
  const readOf = (name: string) => ({ readOn: () => void reads.push(name) })
  expect(ticks.size).toBe(0)
  for (const name of ["a", "b"]) brake.wait(readOf(name))
  expect(ticks.size).toBe(1)
  tick()
  expect(reads).toEqual(["a"])
  brake.wait(readOf("a"))
  tick()
  tick()
  expect(reads).toEqual(["a", "b", "a"])
  expect(ticks.size).toBe(0)
  brake.wait(readOf("c"))
  tick()
  expect(reads.at(-1)).toBe("c")
})

test("an answer may bring 256 KiB at once, and 4 KiB a millisecond from then on", () => {
  let nowMs = 0
  const allowance = new ReadAllowance(() => nowMs)
  const read = () => allowance.spend(62 * kib, 0)
  for (let reads = 0; reads < 4; reads++) {
    read()
    expect(allowance.isOver).toBe(false)
  }
  read()
  expect(allowance.isOver).toBe(true)
  // Of the 64 KiB that it was too much, a quarter is paid off, and as much is read again.
  nowMs = 4
  allowance.spend(14 * kib, 0)
  expect(allowance.isOver).toBe(true)
  nowMs = 1000
  allowance.spend(14 * kib, 0)
  expect(allowance.isOver).toBe(false)
})

test("reads and chunks cost beside their bytes, so that many small ones are a flood, too", () => {
  const readsUntilOver = (chunks: number) => {
    const allowance = new ReadAllowance(() => 0)
    let reads = 0
    for (; !allowance.isOver; reads++) allowance.spend(1, chunks)
    return reads
  }
  expect(readsUntilOver(1)).toBe(125)
  expect(readsUntilOver(100)).toBe(32)
})

test("what was not used in a long pause is no more than an answer begins with", () => {
  let nowMs = 0
  const allowance = new ReadAllowance(() => nowMs)
  nowMs = 1_000_000
  allowance.spend(300 * kib, 0)
  expect(allowance.isOver).toBe(false)
  allowance.spend(300 * kib, 0)
  expect(allowance.isOver).toBe(true)
})
