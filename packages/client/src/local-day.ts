/** The calendar day in an IANA zone, as `YYYY-MM-DD`; empty where the platform knows no such zone. */
export function localDay(atMs: number, timezone: string): string {
  try {
    return wallClock(atMs, timezone).slice(0, 10)
  } catch {
    // The engine knows, or refuses it.
    return ""
  }
}

/** Until the next midnight there, by the clock on the wall: on a day with a shift of time ahead, ask again at its end. */
export function untilMidnightMs(atMs: number, timezone: string): number {
  const time = wallClock(atMs, timezone).slice(11)
  return 86_400_000 - (Date.parse(`1970-01-01T${time}Z`) + (atMs % 1000))
}

/** As `2026-11-23 09:25:30`: Swedish writes times as ISO 8601 does. */
function wallClock(atMs: number, timeZone: string): string {
  return new Date(atMs).toLocaleString("sv-SE", { timeZone })
}

/** IANA name of the zone this device is set to. */
export function deviceTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}
