import { randomBytes } from "node:crypto"

/** A UUID version 7 (RFC 9562): 48 bits of `timeMs`, then random; sorts by time between milliseconds. */
export function uuidV7(timeMs: number): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(timeMs, 0, 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
