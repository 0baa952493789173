import { expect, test } from "vitest"
import { parseRetryAfter } from "./retry-after.ts"

const now = Date.parse("2026-11-01T12:00:00Z")

test.each([
  ["seconds", "7", undefined, 7000],
  ["no seconds", "0", undefined, 0],
  ["fractions", "1.5", undefined, 1500],
  ["a date, by the clock here", "Sun, 01 Nov 2026 12:00:09 GMT", undefined, 9000],
  ["a date, by the clock there", "Sun, 01 Nov 2026 13:00:09 GMT", "Sun, 01 Nov 2026 13:00:00 GMT", 9000],
  ["a date that has passed", "Sun, 01 Nov 2026 11:00:00 GMT", undefined, 0],
  ["nothing", undefined, undefined, undefined],
  ["an empty header", "", undefined, undefined],
  ["nonsense", "soon", undefined, undefined],
  ["a negative number", "-5", undefined, undefined],
  ["a year", "2026-11-01", undefined, undefined],
])("Retry-After is read from %s", (_, value, date, expected) => {
  expect(parseRetryAfter(value, date, now)).toBe(expected)
})
