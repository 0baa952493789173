import type { ConversationResource } from "@grizz/client"
import { expect, test } from "vitest"
import { dayName, groupByMonth, localDay, writtenDay } from "./days.ts"

function conversation(conv_day: string | null, updated_at = "2026-11-01T00:00:00Z"): ConversationResource {
  return {
    id: crypto.randomUUID(),
    user_id: "",
    title: null,
    conv_day,
    timezone: null,
    created_at: updated_at,
    updated_at,
  }
}

test.each([
  ["2026-11-23", "Today"],
  ["2026-11-22", "Yesterday"],
  ["2026-11-20", "Friday 20 November"],
  ["2025-12-31", "Wednesday 31 December 2025"],
])("%s is called %s", (day, name) => {
  expect(dayName(day, "2026-11-23", "en-GB").replace(",", "")).toBe(name)
})

test("yesterday is found over the turn of a month, a year and a leap day", () => {
  expect(dayName("2026-10-31", "2026-11-01", "en-GB")).toBe("Yesterday")
  expect(dayName("2025-12-31", "2026-01-01", "en-GB")).toBe("Yesterday")
  expect(dayName("2028-02-29", "2028-03-01", "en-GB")).toBe("Yesterday")
})

test("a day is written as the reader's language writes it", () => {
  expect(writtenDay("2026-11-20", "2026-11-23", "en-US")).toBe("Friday, November 20")
})

test("the local day is the device's, not UTC's", () => {
  expect(localDay(new Date(2026, 0, 5, 23, 59))).toBe("2026-01-05")
  expect(localDay(new Date(2026, 0, 5, 0, 0))).toBe("2026-01-05")
})

test("days are grouped by month, newest first, and what has no day comes last", () => {
  const days = ["2026-10-03", "2026-11-20", "2026-11-22", null]
  const months = groupByMonth(
    days.map((day) => conversation(day)),
    "en-GB",
  )
  expect(months.map((month) => [month.name, month.conversations.map((one) => one.conv_day)])).toEqual([
    ["November 2026", ["2026-11-22", "2026-11-20"]],
    ["October 2026", ["2026-10-03"]],
    ["Other conversations", [null]],
  ])
})
