import type { ConversationResource } from "@grizz/client"
import { texts } from "./texts.ts"

/** Calendar day `YYYY-MM-DD` of an instant in this browser's zone. */
export function localDay(instant: Date): string {
  const two = (part: number) => String(part).padStart(2, "0")
  return `${instant.getFullYear()}-${two(instant.getMonth() + 1)}-${two(instant.getDate())}`
}

/** "Today", "Yesterday", "Friday 20 November", and with its year when that is not the present one. */
export function dayName(day: string, today: string, locale = dateLocale()): string {
  if (day === today) return texts.days.today
  const dayBefore = noonOf(today)
  dayBefore.setDate(dayBefore.getDate() - 1)
  return day === localDay(dayBefore) ? texts.days.yesterday : writtenDay(day, today, locale)
}

/** "Friday 20 November": never "Today". */
export function writtenDay(day: string, today: string, locale = dateLocale()): string {
  const format = new Intl.DateTimeFormat(locale, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(day.slice(0, 4) === today.slice(0, 4) ? {} : { year: "numeric" }),
  })
  return format.format(noonOf(day))
}

/** "14:03", as this browser's language writes it. */
export function timeOfDay(instant: string, locale = dateLocale()): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: "short" }).format(new Date(instant))
}

/** "29", in the digits of the page's language. */
export function dayNumber(day: string, locale = dateLocale()): string {
  return Number(day.slice(8)).toLocaleString(locale)
}

/** "November 2026". */
export function monthName(day: string, locale = dateLocale()): string {
  return new Intl.DateTimeFormat(locale, { month: "long", year: "numeric" }).format(noonOf(day))
}

/** From the first day of the week on; `firstWeekday` is 1 for Monday to 7 for Sunday. */
export function weekdayNames(firstWeekday: number, locale = dateLocale()): { short: string; long: string }[] {
  const short = new Intl.DateTimeFormat(locale, { weekday: "narrow" })
  const long = new Intl.DateTimeFormat(locale, { weekday: "long" })
  // 1 January 2024 was a Monday.
  const days = Array.from({ length: 7 }, (_, place) => new Date(2024, 0, firstWeekday + place, 12))
  return days.map((day) => ({ short: short.format(day), long: long.format(day) }))
}

export interface MonthOfDays {
  /** `YYYY-MM`, or empty for conversations outside the calendar. */
  key: string
  /** "November 2026". */
  name: string
  conversations: ConversationResource[]
}

/** Newest month first, newest day first; conversations outside the calendar last. */
export function groupByMonth(conversations: readonly ConversationResource[], locale = dateLocale()): MonthOfDays[] {
  const months = new Map<string, ConversationResource[]>()
  for (const conversation of conversations) {
    const key = conversation.conv_day?.slice(0, 7) ?? ""
    months.set(key, [...(months.get(key) ?? []), conversation])
  }
  return [...months]
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([key, members]) => ({
      key,
      name: key === "" ? texts.days.other : monthName(`${key}-01`, locale),
      conversations: members.sort((a, b) => sortKey(b).localeCompare(sortKey(a))),
    }))
}

function sortKey(conversation: ConversationResource): string {
  return conversation.conv_day ?? conversation.updated_at
}

/** Noon, because no zone's clock change moves noon into another day. */
function noonOf(day: string): Date {
  return new Date(`${day}T12:00:00`)
}

/** The browser's own variant of the page's language: an American reads "November 20", a Scot "20 November". */
export function dateLocale(): string {
  return (
    navigator.languages.find((language) => language.startsWith(texts.language)) ??
    (texts.language === "en" ? "en-GB" : texts.language)
  )
}
