import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ModelFailure } from "./model-failure.ts"
import { SseReader } from "./sse-reader.ts"

interface Seen {
  data: string
  event: string
}

function read(chunks: readonly (string | Uint8Array)[], lineMaxLength = 1000): { events: Seen[]; foreign: boolean } {
  const events: Seen[] = []
  const sink = {
    onData: (text: string, start: number, end: number, event: string) => {
      events.push({ data: text.slice(start, end), event })
    },
  }
  const reader = new SseReader(sink, lineMaxLength)
  for (const chunk of chunks) reader.push(Buffer.from(chunk))
  reader.end()
  return { events, foreign: reader.foreign }
}

function dataOf(stream: string): string[] {
  return read([stream]).events.map(({ data }) => data)
}

describe("an event stream", () => {
  test.each([
    ["LF", "data: a\n\ndata: b\n\n"],
    ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n"],
    ["CR", "data: a\r\rdata: b\r\r"],
    ["mixed line ends", "data: a\r\n\ndata: b\r\n\r"],
    ["no space after the colon", "data:a\n\ndata:b\n\n"],
    ["comments", ": hello\n\n:\ndata: a\n: between\n\n: \n\ndata: b\n\n"],
    ["a byte order mark", "\uFEFFdata: a\n\ndata: b\n\n"],
    ["other fields", "id: 7\nretry: 10\ndata: a\n\nid\ndata: b\n\n"],
    ["no empty line at its end", "data: a\n\ndata: b"],
    ["more empty lines", "\n\n\ndata: a\n\n\n\ndata: b\n\n\n"],
    ["events without data", "data\n\ndata:\n\nevent: x\n\ndata: a\n\ndata: b\n\n"],
  ])("is read with %s", (_, stream) => {
    expect(dataOf(stream)).toEqual(["a", "b"])
  })

  test("joins several data lines of one event by line feeds", () => {
    expect(dataOf("data: a\ndata:\ndata: b\n\n")).toEqual(["a\n\nb"])
  })

  test("takes CR and LF for one line end, also in two reads", () => {
    expect(read(["data: a\r", "\ndata: b\r", "", "\n\r", "\n"]).events).toEqual([{ data: "a\nb", event: "" }])
  })

  test("is not confused by an empty read inside a character", () => {
    const [first, second] = Buffer.from("é")
    const chunks = ["data: ", Uint8Array.of(first ?? 0), "", Uint8Array.of(second ?? 0, 10, 10)]
    expect(read(chunks).events).toEqual([{ data: "é", event: "" }])
  })

  test("keeps every space but the first", () => {
    expect(dataOf("data:  a \n\n")).toEqual([" a "])
  })

  test("names an event once", () => {
    expect(read(["event: error\ndata: a\n\ndata: b\n\n"]).events).toEqual([
      { data: "a", event: "error" },
      { data: "b", event: "" },
    ])
  })

  test("tells a page from a stream", () => {
    expect(read(["<html>\n<body>data: no</body>\n"])).toEqual({ events: [], foreign: true })
    expect(read([": comment\nid: 1\nevent: x\nretry: 1\ndata: a\n\n"]).foreign).toBe(false)
  })

  test("reads the same events wherever its bytes are split, invalid UTF-8 included", () => {
    const piece = fc.oneof(
      fc.constantFrom("data: ", "data:", "\n", "\r", "\r\n", "\n\n", ": c", "event: e", "\uFEFF", "é", "🐻", "a"),
      fc.string({ unit: "binary" }),
    )
    const bytes = fc
      .array(
        fc.oneof(
          piece.map((text) => Buffer.from(text)),
          fc.uint8Array({ maxLength: 3 }).map((raw) => Buffer.from(raw)),
        ),
      )
      .map((parts) => Buffer.concat(parts))
    fc.assert(
      fc.property(bytes, fc.array(fc.nat({ max: 20 })), (stream, lengths) => {
        const whole = read([stream])
        expect(read(split(stream, lengths))).toEqual(whole)
        expect(read(split(stream, []))).toEqual(whole)
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ["a line without an end", ["data: ", "x".repeat(999)]],
    ["a line in one read", [`data: ${"x".repeat(1000)}\n\n`]],
    ["a comment", [`:${"x".repeat(1000)}\n`]],
    ["an event of many lines", Array.from({ length: 30 }, () => `data: ${"x".repeat(50)}\n`)],
  ])("is refused when %s is too long", (_, chunks) => {
    expect(() => read(chunks)).toThrow(ModelFailure)
    expect(() => read(chunks)).toThrow("exceeds 1000 characters")
  })
})

/** Cut into parts of these lengths, then bytes. */
function split(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  for (const length of lengths) {
    parts.push(bytes.subarray(start, start + length))
    start += length
  }
  for (; start < bytes.length; start++) parts.push(bytes.subarray(start, start + 1))
  return parts
}
