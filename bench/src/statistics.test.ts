import { describe, expect, test } from "vitest"
import { median, quantile, ratioOfRounds, round, spread } from "./statistics.ts"

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

describe("statistics", () => {
  test("the median is the middle value, or the mean of the two in the middle, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([9, 1, 5, 7])).toBe(6)
    expect(median([10, 9, 100])).toBe(10)
    expect(median([])).toBeNaN()
  })

  test("a quantile is a value that was measured", () => {
    expect(quantile(upTo(100), 0.5)).toBe(51)
    expect(quantile(upTo(100), 0.99)).toBe(100)
    expect(quantile(upTo(1000), 0.99)).toBe(991)
    expect(quantile([7], 0.99)).toBe(7)
    expect(quantile([3, 1, 2], 1)).toBe(3)
    expect(quantile([], 0.5)).toBeNaN()
  })

  test("a spread has the median and the 99th percentile", () => {
    expect(spread(upTo(1000))).toEqual({ p50: 501, p99: 991 })
  })

  test("a ratio is the median of the rounds' ratios, so that one slow phase of the machine changes nothing", () => {
    // The last pair saw a machine of half the speed; the ratio of the medians, 20 ÷ 30, would be another.
    expect(ratioOfRounds([10, 20, 40], [20, 30, 80])).toBe(0.5)
    expect(ratioOfRounds([1], [3])).toBe(0.333)
  })

  test.each([
    [[1, 2], [1]],
    [[], []],
  ])("rounds that are not in pairs have no ratio", (upper, lower) => {
    expect(() => ratioOfRounds(upper, lower)).toThrow("only rounds in pairs can be compared")
  })

  test("rounds to so many digits", () => {
    expect([round(1.2345, 2), round(1.5), round(-0.05, 1)]).toEqual([1.23, 2, -0.1])
  })
})
