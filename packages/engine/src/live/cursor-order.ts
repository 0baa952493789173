import type { Cursor, LogEntry } from "../live-ports.ts"

/**
 * Whether nothing can lie between the cursor and this entry. Positions have no gap, and a message's reply has the
 * position after it, so that two replies in a row are at most two apart (a retry is one), and so that whatever is not
 * yet said begins right after `covered`. A message that finds nothing running begins its reply, and an end begins the
 * next one: where a reply is due and none runs, its begin comes first. False only means "not proved": what is stored
 * decides.
 */
export function isNext(cursor: Cursor, entry: LogEntry): boolean {
  const covered = Math.max(cursor.message < 0 ? -1 : cursor.message + 1, cursor.reply)
  if (entry.kind === "message") {
    if (entry.message.position <= cursor.message) return true
    const isBeginDue = cursor.ended && cursor.message > cursor.reply
    const isEndDue = entry.foundIdle === true && !cursor.ended
    return !isBeginDue && !isEndDue && entry.message.position <= covered + 1
  }
  const { position } = entry.reply
  if (position <= cursor.reply) return true
  return (cursor.ended || cursor.reply < 0) && position <= cursor.reply + 2 && position <= covered + 1
}

/** Whether `cursor` is at `after` or beyond. */
export function reaches(cursor: Cursor, after: Cursor): boolean {
  return cursor.message >= after.message && compareReplies(cursor, after) >= 0
}

/** The point that all of them have reached; null when there are none. */
export function earliest(cursors: readonly Readonly<Cursor>[]): Cursor | null {
  const [first, ...others] = cursors
  if (first === undefined) return null
  const point = { ...first }
  for (const other of others) {
    point.message = Math.min(point.message, other.message)
    if (compareReplies(other, point) >= 0) continue
    const { reply, attempt, offset, ended } = other
    Object.assign(point, { reply, attempt, offset, ended })
  }
  return point
}

function compareReplies(a: Cursor, b: Cursor): number {
  // The end of a reply comes after every attempt of it.
  return (
    a.reply - b.reply ||
    Number(a.ended) - Number(b.ended) ||
    (a.ended ? 0 : a.attempt - b.attempt || a.offset - b.offset)
  )
}
