/** The bytes of one text frame: a string of as many latin1 characters where the text is ASCII, as it nearly always is. */
export type WireFrame = string | Buffer

/** The devices of a conversation are told the same one after another, so that remembering one frame is enough. */
let last: { text: string; wire: WireFrame } = { text: "", wire: "\x81\0" }

/** A server's text frame, whole and unmasked (RFC 6455, section 5.2). */
export function textFrame(text: string): WireFrame {
  if (text !== last.text) last = { text, wire: encode(text) }
  return last.wire
}

function encode(text: string): WireFrame {
  const bytes = Buffer.byteLength(text)
  const head = headOf(bytes)
  if (bytes === text.length) return head + text
  const frame = Buffer.allocUnsafe(head.length + bytes)
  frame.write(head, "latin1")
  frame.write(text, head.length)
  return frame
}

/** Those of the usual frames. */
const shortHeads: string[] = Array.from({ length: 1024 }, (_, bytes) => makeHead(bytes))

function headOf(bytes: number): string {
  return bytes < shortHeads.length ? shortHeads[bytes]! : makeHead(bytes)
}

function makeHead(bytes: number): string {
  if (bytes < 126) return String.fromCharCode(0x81, bytes)
  if (bytes < 0x1_0000) return String.fromCharCode(0x81, 126, bytes >> 8, bytes & 0xff)
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(bytes))
  return `\x81\x7f${length.toString("latin1")}`
}
