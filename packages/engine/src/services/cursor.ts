import type { Cursor } from "../live-ports.ts"

/**
 * The wire form of a cursor: `<conversation>[~<erased>].<message>.<reply>.<attempt>.<offset>[.e]`, the conversation as base64url,
 * numbers in base 36 and one up, so that -1 has no sign. Opaque to clients; it grants nothing, for every read checks the owner.
 */
const pattern =
  /^([\w-]{22})(?:~([0-9a-z]{1,6}))?\.([0-9a-z]{1,6})\.([0-9a-z]{1,6})\.([0-9a-z]{1,4})\.([0-9a-z]{1,6})(\.e)?$/

const maxPosition = 2 ** 31 - 2

/**
 * The part of a conversation's cursors that changes with no word.
 * @param erased how many messages were erased: a reader that has not heard of one of them must not resume
 */
export function cursorPrefix(conversationId: string, erased = 0): string {
  const conversation = Buffer.from(conversationId.replaceAll("-", ""), "hex").toString("base64url")
  return erased === 0 ? conversation : `${conversation}~${erased.toString(36)}`
}

export function encodeCursor(prefix: string, cursor: Cursor): string {
  return encodeOffset(cursorHead(prefix, cursor), cursor)
}

/** What the cursors of one reply's text have in common: all but the last numbers. */
export function cursorHead(prefix: string, { message, reply, attempt }: Cursor): string {
  return `${prefix}.${(message + 1).toString(36)}.${(reply + 1).toString(36)}.${attempt.toString(36)}.`
}

/** The cursor with that head. */
export function encodeOffset(head: string, { offset, ended }: Cursor): string {
  return ended ? `${head}${offset.toString(36)}.e` : head + offset.toString(36)
}

/** Null for what is no cursor, or another conversation's. */
export function decodeCursor(conversationId: string, text: string): { cursor: Cursor; erased: number } | null {
  const match = pattern.exec(text)
  if (match === null || match[1] !== cursorPrefix(conversationId)) return null
  const [message, reply, attempt, offset] = match.slice(3, 7).map((part) => Number.parseInt(part, 36))
  // Positions are 32-bit in the database.
  if (message! > maxPosition || reply! > maxPosition) return null
  const cursor = {
    message: message! - 1,
    reply: reply! - 1,
    attempt: attempt!,
    offset: offset!,
    ended: match[7] !== undefined,
  }
  return { cursor, erased: Number.parseInt(match[2] ?? "0", 36) }
}
