/**
 * The wait that a `Retry-After` header asks for, in ms: seconds or an HTTP date (RFC 9110, section 10.2.3).
 * Undefined when there is none that can be read. `date` is the response's own `Date` header: a date is measured by the
 * clock of whoever wrote it, `nowMs` only where that is missing.
 */
export function parseRetryAfter(
  value: string | undefined,
  date: string | undefined,
  nowMs: number,
): number | undefined {
  const text = value?.trim() ?? ""
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  // An HTTP date begins with the day's name; anything else that Date.parse takes is a guess.
  if (!/^[A-Z][a-z]+,? /.test(text)) return undefined
  const at = Date.parse(text)
  if (Number.isNaN(at)) return undefined
  const writtenAt = Date.parse(date ?? "")
  return Math.max(0, at - (Number.isNaN(writtenAt) ? nowMs : writtenAt))
}
