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

export interface MonthOfDays {
  /** `YYYY-MM`, or empty for conversations outside the calendar. */
  key: string
  /** "November 2026". */
  name: string
  conversations: ConversationResource[]
}

/** Newest month first, newest day first; conversations outside the calendar last. */
export function groupByMonth(conversations: readonly ConversationResource[], locale = dateLocale()): MonthOfDays[] {
  const format = new Intl.DateTimeFormat(locale, { month: "long", year: "numeric" })
  const months = new Map<string, ConversationResource[]>()
  for (const conversation of conversations) {
    const key = conversation.conv_day?.slice(0, 7) ?? ""
    months.set(key, [...(months.get(key) ?? []), conversation])
  }
  return [...months]
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([key, members]) => ({
      key,
      name: key === "" ? texts.days.other : format.format(noonOf(`${key}-01`)),
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
function dateLocale(): string {
  return navigator.languages.find((language) => language.startsWith(texts.language)) ?? "en-GB"
}
