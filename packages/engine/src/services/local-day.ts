import { Temporal } from "temporal-polyfill"
import { ChatError } from "../core/errors.ts"

// Reading a zone costs some 100 µs the first time. There are about 600 spellings in the database, and case is the
// caller's: without a bound, a caller who varies it would fill the memory.
const maxKnownZones = 2048
const knownZones = new Map<string, string>()

/**
 * The zone as the IANA database spells it (`europe/berlin` → `Europe/Berlin`). A link keeps its own name
 * (`Europe/Kiev`), so that the user sees the zone that their device named.
 * @throws ChatError `invalid_request` for an unknown zone, and for a bare offset, which knows no daylight saving
 */
export function parseTimezone(timezone: string): string {
  const known = knownZones.get(timezone)
  if (known !== undefined) return known
  const spelled = spellTimezone(timezone)
  if (knownZones.size >= maxKnownZones) knownZones.clear()
  knownZones.set(timezone, spelled)
  return spelled
}

/**
 * The calendar day `YYYY-MM-DD` that people in this zone write at this instant.
 * @param nowMs milliseconds since the Unix epoch
 * @throws ChatError `invalid_request`, as `parseTimezone`
 */
export function localDay(nowMs: number, timezone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(nowMs)
    .toZonedDateTimeISO(parseTimezone(timezone))
    .toPlainDate()
    .toString()
}

function spellTimezone(timezone: string): string {
  // Temporal also takes offsets, and whole date-times with a zone in brackets, where a zone is expected.
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(timezone) || timezone.length > 100) throw unknownTimezone()
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone).timeZoneId
  } catch (error) {
    if (error instanceof RangeError) throw unknownTimezone()
    throw error
  }
}

function unknownTimezone(): ChatError {
  return new ChatError("invalid_request", "The time zone must be an IANA name such as Europe/Berlin.")
}
