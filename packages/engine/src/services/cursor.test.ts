import * as fc from "fast-check"
import { expect, test } from "vitest"
import { cursorPrefix, decodeCursor, encodeCursor } from "./cursor.ts"

const conversationId = "0197a3c2-7e1b-7000-8000-00000000abcd"
const prefix = cursorPrefix(conversationId)

test("a cursor comes back as it was", () => {
  const position = fc.integer({ min: -1, max: 1_000_000 })
  const cursor = fc.record({
    message: position,
    reply: position,
    attempt: fc.integer({ min: 0, max: 1000 }),
    offset: fc.integer({ min: 0, max: 10_000_000 }),
    ended: fc.boolean(),
  })
  fc.assert(
    fc.property(cursor, (given) => {
      expect(decodeCursor(conversationId, encodeCursor(prefix, given))).toEqual({ cursor: given, erased: 0 })
      const later = encodeCursor(cursorPrefix(conversationId, 40), given)
      expect(decodeCursor(conversationId, later)).toEqual({ cursor: given, erased: 40 })
    }),
  )
})

test("another conversation's cursor is no cursor here", () => {
  const cursor = encodeCursor(prefix, { message: 0, reply: 1, attempt: 1, offset: 5, ended: false })
  expect(decodeCursor("0197a3c2-7e1b-7000-8000-00000000abce", cursor)).toBeNull()
})

test.each([
  "",
  "x",
  "....",
  `${prefix}.1.1.1`,
  `${prefix}.-1.1.1.1`,
  `${prefix}.1.1.1.1.f`,
  `${prefix}.1.1.1.1e9999999.e`,
])("what no server gave is no cursor: %j", (text) => {
  expect(decodeCursor(conversationId, text)).toBeNull()
})
