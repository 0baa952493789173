import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ChatError } from "../core/errors.ts"
import { localDay, parseTimezone } from "./local-day.ts"

describe("the local day", () => {
  test.each([
    // The clock goes forward or back during the day.
    ["America/New_York", "2025-03-09T04:59:59.999Z", "2025-03-08"],
    ["America/New_York", "2025-03-09T05:00:00Z", "2025-03-09"],
    ["America/New_York", "2025-03-10T03:59:59.999Z", "2025-03-09"],
    ["America/New_York", "2025-03-10T04:00:00Z", "2025-03-10"],
    ["America/New_York", "2025-11-02T04:00:00Z", "2025-11-02"],
    ["America/New_York", "2025-11-03T04:59:59.999Z", "2025-11-02"],
    ["America/New_York", "2025-11-03T05:00:00Z", "2025-11-03"],
    ["Europe/Berlin", "2025-03-29T22:59:59.999Z", "2025-03-29"],
    ["Europe/Berlin", "2025-03-29T23:00:00Z", "2025-03-30"],
    ["Europe/Berlin", "2025-03-30T21:59:59.999Z", "2025-03-30"],
    ["Europe/Berlin", "2025-03-30T22:00:00Z", "2025-03-31"],
    ["Europe/Berlin", "2025-10-26T22:59:59.999Z", "2025-10-26"],
    ["Europe/Berlin", "2025-10-26T23:00:00Z", "2025-10-27"],
    // Days that begin at 01:00: midnight is skipped.
    ["America/Sao_Paulo", "2018-11-04T02:59:59.999Z", "2018-11-03"],
    ["America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"],
    ["Asia/Beirut", "2024-03-30T21:59:59.999Z", "2024-03-30"],
    ["Asia/Beirut", "2024-03-30T22:00:00Z", "2024-03-31"],
    ["Africa/Cairo", "2024-04-25T21:59:59.999Z", "2024-04-25"],
    ["Africa/Cairo", "2024-04-25T22:00:00Z", "2024-04-26"],
    ["America/Havana", "2024-03-10T04:59:59.999Z", "2024-03-09"],
    ["America/Havana", "2024-03-10T05:00:00Z", "2024-03-10"],
    // At midnight the clock goes back to 23:00, and the day that was over goes on.
    ["America/Sao_Paulo", "2018-02-18T01:59:59.999Z", "2018-02-17"],
    ["America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17"],
    ["America/Sao_Paulo", "2018-02-18T03:00:00Z", "2018-02-18"],
    ["Asia/Beirut", "2024-10-26T21:30:00Z", "2024-10-26"],
    ["Asia/Beirut", "2024-10-26T22:00:00Z", "2024-10-27"],
    // Both sides of the date line at one instant: up to three days are today.
    ["Pacific/Kiritimati", "2025-06-15T10:30:00Z", "2025-06-16"],
    ["UTC", "2025-06-15T10:30:00Z", "2025-06-15"],
    ["Pacific/Pago_Pago", "2025-06-15T10:30:00Z", "2025-06-14"],
    ["Pacific/Niue", "2025-06-15T10:59:59.999Z", "2025-06-14"],
    ["Pacific/Niue", "2025-06-15T11:00:00Z", "2025-06-15"],
    ["Etc/GMT+12", "2025-06-15T11:59:59.999Z", "2025-06-14"],
    ["Pacific/Chatham", "2025-06-15T11:15:00Z", "2025-06-16"],
    // Samoa went from the 29th to the 31st.
    ["Pacific/Apia", "2011-12-30T09:59:59.999Z", "2011-12-29"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"],
    // Two hours of daylight saving; offsets of half and quarter hours, and of seconds.
    ["Antarctica/Troll", "2025-07-01T21:59:59.999Z", "2025-07-01"],
    ["Antarctica/Troll", "2025-07-01T22:00:00Z", "2025-07-02"],
    ["Antarctica/Troll", "2025-01-01T23:59:59.999Z", "2025-01-01"],
    ["Asia/Kathmandu", "2025-01-01T18:14:59.999Z", "2025-01-01"],
    ["Asia/Kathmandu", "2025-01-01T18:15:00Z", "2025-01-02"],
    ["Europe/Amsterdam", "1930-01-01T23:40:27.999Z", "1930-01-01"],
    ["Africa/Monrovia", "1971-06-01T00:44:29.999Z", "1971-05-31"],
    ["Africa/Monrovia", "1971-06-01T00:44:30Z", "1971-06-01"],
    ["UTC", "2024-02-29T12:00:00Z", "2024-02-29"],
    ["UTC", "0999-06-01T00:00:00Z", "0999-06-01"],
  ])("in %s at %s is %s", (timezone, instant, day) => {
    expect(localDay(Date.parse(instant), timezone)).toBe(day)
  })

  test("is the one that Intl writes, in every zone at any time, next to each change of the clock too", () => {
    const zones = [...Intl.supportedValuesOf("timeZone"), "UTC", "Asia/Calcutta", "Europe/Kiev", "US/Samoa"]
    const anyTime = fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(2100, 0, 1) })
    const nearMidnight = fc
      .tuple(fc.integer({ min: -1200, max: 5200 }), fc.integer({ min: -96, max: 96 }), fc.constantFrom(-1, 0, 1))
      .map(([week, quarter, ms]) => week * 604_800_000 + quarter * 900_000 + ms)
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.oneof(anyTime, nearMidnight), (timezone, nowMs) => {
        expect(localDay(nowMs, timezone)).toBe(dayByIntl(nowMs, timezone))
      }),
      { numRuns: 3000 },
    )
  })
})

const formats = new Map<string, Intl.DateTimeFormat>()

function dayByIntl(nowMs: number, timeZone: string): string {
  const known = formats.get(timeZone)
  const format =
    known ??
    new Intl.DateTimeFormat("en-US-u-ca-iso8601", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" })
  formats.set(timeZone, format)
  const parts = new Map(format.formatToParts(nowMs).map((part) => [part.type, part.value]))
  return `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`
}

describe("a time zone", () => {
  test.each([
    ["UTC", "UTC"],
    ["GMT", "GMT"],
    ["Etc/UTC", "Etc/UTC"],
    ["Etc/GMT+5", "Etc/GMT+5"],
    ["Europe/Berlin", "Europe/Berlin"],
    ["europe/berlin", "Europe/Berlin"],
    ["AMERICA/ARGENTINA/BUENOS_AIRES", "America/Argentina/Buenos_Aires"],
    ["america/port-au-prince", "America/Port-au-Prince"],
    ["Europe/Kiev", "Europe/Kiev"],
    ["Europe/Kyiv", "Europe/Kyiv"],
    ["Asia/Calcutta", "Asia/Calcutta"],
    ["Asia/Kolkata", "Asia/Kolkata"],
    ["US/Eastern", "US/Eastern"],
    ["EST5EDT", "EST5EDT"],
    ["Pacific/Kanton", "Pacific/Kanton"],
  ])("of the name %s is known as %s", (timezone, spelled) => {
    expect(parseTimezone(timezone)).toBe(spelled)
    expect(parseTimezone(timezone)).toBe(spelled)
  })

  test.each([
    "",
    " ",
    "Europe/Nowhere",
    "Berlin",
    "+05:30",
    "-0800",
    "+05",
    "05:30",
    "\u221205:30",
    "UTC+2",
    "UTC+02:00",
    "GMT+5",
    "GMT+0530",
    "Etc/GMT+15",
    "Z",
    "local",
    "Europe/Berlin ",
    "Europe/Berlin\n",
    " Europe/Berlin",
    "Europe /Berlin",
    "Europe/Berlin/",
    "/Europe/Berlin",
    "Europe//Berlin",
    "../Europe/Berlin",
    "Europe/Berlin\0",
    "Europe/Berl\u0131n",
    "2025-01-01T00:00+01:00[Europe/Berlin]",
    "[Europe/Berlin]",
    "undefined",
    "null",
    "__proto__",
    "constructor",
    "A".repeat(100_000),
  ])("called %j is refused", (timezone) => {
    const refusal = new ChatError("invalid_request", "The time zone must be an IANA name such as Europe/Berlin.")
    expect(() => parseTimezone(timezone)).toThrow(refusal)
    expect(() => localDay(0, timezone)).toThrow(refusal)
  })

  test("is still known after more spellings than are remembered", () => {
    const name = "america/argentina/comodrivadavia"
    for (let count = 0; count < 5000; count += 1) {
      const spelling = name.replace(/[a-z]/g, (letter, at: number) =>
        (count >> (at % 13)) & 1 ? letter.toUpperCase() : letter,
      )
      expect(parseTimezone(spelling)).toBe("America/Argentina/ComodRivadavia")
    }
  })
})
