import { assert, date as dates, integer, property } from "fast-check"
import { expect, test } from "vitest"
import { addMonths, dayAfterKey, firstWeekdayOf, weeksOf } from "./calendar.ts"

const monday = { first: 1, isRtl: false }
const press = (day: string, key: string, shiftKey = false, week = monday) => dayAfterKey(day, { key, shiftKey }, week)

test.each([
  ["2026-11-29", "ArrowRight", "2026-11-30"],
  ["2026-11-30", "ArrowRight", "2026-12-01"],
  ["2026-01-01", "ArrowLeft", "2025-12-31"],
  ["2026-11-29", "ArrowUp", "2026-11-22"],
  ["2028-02-23", "ArrowDown", "2028-03-01"],
  ["2026-11-25", "Home", "2026-11-23"],
  ["2026-11-25", "End", "2026-11-29"],
  ["2026-03-31", "PageUp", "2026-02-28"],
  ["2026-12-31", "PageDown", "2027-01-31"],
])("from %s, %s leads to %s", (day, key, next) => {
  expect(press(day, key)).toBe(next)
})

test("with Shift, a page is a year", () => {
  expect(press("2028-02-29", "PageUp", true)).toBe("2027-02-28")
})

test("from right to left, the left arrow leads forward", () => {
  expect(press("2026-11-29", "ArrowLeft", false, { first: 6, isRtl: true })).toBe("2026-11-30")
})

test("other keys lead nowhere", () => {
  expect(press("2026-11-29", "a")).toBe(null)
})

test("where weeks begin on Sunday, Home leads to a Sunday", () => {
  expect(press("2026-11-25", "Home", false, { first: 7, isRtl: false })).toBe("2026-11-22")
})

test("a month's weeks hold each of its days once, in order, under the same weekday", () => {
  const days = dates({ min: new Date("1970-01-01"), max: new Date("2200-01-01"), noInvalidDate: true })
  assert(
    property(days, integer({ min: 1, max: 7 }), (date, first) => {
      const day = date.toISOString().slice(0, 10)
      const weeks = weeksOf(day, first)
      const shown = weeks.flat().filter((one) => one !== null)
      expect(shown[0]).toBe(`${day.slice(0, 7)}-01`)
      expect(shown).toEqual([...new Set(shown)].sort())
      expect(shown).toContain(day)
      const next = addMonths(`${day.slice(0, 7)}-01`, 1)
      expect(Date.parse(next) - Date.parse(shown.at(-1) ?? "")).toBe(86_400_000)
      for (const week of weeks) {
        expect(week).toHaveLength(7)
        week.forEach((one, place) => {
          if (one !== null) expect(new Date(one).getUTCDay()).toBe((first + place) % 7)
        })
      }
    }),
  )
})

test("a week begins where its readers begin it", () => {
  expect([firstWeekdayOf("en-GB"), firstWeekdayOf("en-US")]).toEqual([1, 7])
})
