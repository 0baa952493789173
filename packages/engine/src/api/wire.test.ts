import { randomUUID } from "node:crypto"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import { cursorPrefix, encodeCursor } from "../services/cursor.ts"
import { FrameEncoder } from "./wire.ts"

const conversationId = randomUUID()
const anyCursor = fc.record({
  message: fc.integer({ min: -1, max: 3 }),
  reply: fc.integer({ min: -1, max: 3 }),
  attempt: fc.integer({ min: 0, max: 3 }),
  offset: fc.nat(2_000_000),
  ended: fc.boolean(),
})

test("a delta is what JSON says of it, whatever its text", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ unit: "binary", maxLength: 300 }))
  const at = { message: 0, reply: 1, attempt: 1, offset: 5, ended: false }
  fc.assert(
    fc.property(text, fc.uuid(), (any, replyId) => {
      const frame = new FrameEncoder(conversationId).event({ type: "reply.delta", replyId, text: any }, at)
      const cursor = encodeCursor(cursorPrefix(conversationId), at)
      expect(frame).toBe(JSON.stringify({ type: "reply.delta", reply_id: replyId, text: any, cursor }))
    }),
    { numRuns: 500, examples: ['"', "\\", "\n", "\u007f", "\u0080", "\ud800"].map((unit) => [unit, randomUUID()]) },
  )
})

test("cursors come out the same whichever came before, and after an erasure", () => {
  const step = fc.record({ at: anyCursor, erased: fc.option(fc.nat(50), { freq: 5 }) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1 }), (steps) => {
      const encoder = new FrameEncoder(conversationId)
      let erased = 0
      for (const { at, erased: count } of steps) {
        if (count !== null) encoder.erased = erased = count
        expect(encoder.cursor(at)).toBe(encodeCursor(cursorPrefix(conversationId, erased), at))
      }
    }),
  )
})
