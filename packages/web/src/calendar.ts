/** Calendar arithmetic on days as `YYYY-MM-DD`, without a time and so without a zone. */

function dateOf(day: string): Date {
  return new Date(`${day}T00:00:00Z`)
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function addDays(day: string, count: number): string {
  const date = dateOf(day)
  date.setUTCDate(date.getUTCDate() + count)
  return dayOf(date)
}

/** The same day of another month; its last one where it has no such day. */
export function addMonths(day: string, count: number): string {
  const date = dateOf(`${day.slice(0, 7)}-01`)
  date.setUTCMonth(date.getUTCMonth() + count)
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(Number(day.slice(8)), last))
  return dayOf(date)
}

/** How many days of its week come before it; `firstWeekday` is 1 for Monday to 7 for Sunday. */
function placeInWeek(day: string, firstWeekday: number): number {
  return (dateOf(day).getUTCDay() - (firstWeekday % 7) + 7) % 7
}

/** The weeks that hold the month of `day`; null where a place belongs to another month. */
export function weeksOf(day: string, firstWeekday: number): (string | null)[][] {
  const first = `${day.slice(0, 7)}-01`
  const start = addDays(first, -placeInWeek(first, firstWeekday))
  const end = addMonths(first, 1)
  const weeks: (string | null)[][] = []
  for (let week = start; week < end; week = addDays(week, 7)) {
    const days = Array.from({ length: 7 }, (_, place) => addDays(week, place))
    weeks.push(days.map((one) => (one >= first && one < end ? one : null)))
  }
  return weeks
}

export interface DayKey {
  key: string
  shiftKey: boolean
}

/** Where a key leads from a day, as in every date grid; null for a key that leads nowhere. */
export function dayAfterKey(
  day: string,
  { key, shiftKey }: DayKey,
  week: { first: number; isRtl: boolean },
): string | null {
  const forward = week.isRtl ? -1 : 1
  const place = placeInWeek(day, week.first)
  switch (key) {
    case "ArrowRight":
      return addDays(day, forward)
    case "ArrowLeft":
      return addDays(day, -forward)
    case "ArrowDown":
      return addDays(day, 7)
    case "ArrowUp":
      return addDays(day, -7)
    case "Home":
      return addDays(day, -place)
    case "End":
      return addDays(day, 6 - place)
    case "PageUp":
      return addMonths(day, shiftKey ? -12 : -1)
    case "PageDown":
      return addMonths(day, shiftKey ? 12 : 1)
    default:
      return null
  }
}

/** The first day of the week where `locale` is spoken: 1 for Monday to 7 for Sunday. */
export function firstWeekdayOf(locale: string): number {
  const source: Intl.Locale & WeekInfoSource = new Intl.Locale(locale)
  return (source.getWeekInfo?.() ?? source.weekInfo)?.firstDay ?? 1
}

/** Browsers have it as a method, or still as a property, or not at all. */
interface WeekInfoSource {
  weekInfo?: { firstDay: number }
  getWeekInfo?(): { firstDay: number }
}
