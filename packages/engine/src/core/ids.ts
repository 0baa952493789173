import { randomFillSync } from "node:crypto"

const random = new Uint8Array(10 * 256)
let next = random.length

/** A UUID of version 7 (RFC 9562): sorts by the millisecond of its making, so that indexes grow at one end. */
export function newId(nowMs: number = Date.now()): string {
  if (next >= random.length) {
    randomFillSync(random)
    next = 0
  }
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes.set(random.subarray(next, next + 10), 6)
  next += 10
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
