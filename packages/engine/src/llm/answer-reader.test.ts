import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { answer, chunk, done, event, finish, role, text, usage } from "../../test/support/model-stream.ts"
import { AnswerReader } from "./answer-reader.ts"
import { ModelFailure } from "./model-failure.ts"

interface Read {
  pieces: string[]
  failure: ModelFailure | null
  reader: AnswerReader
}

function read(chunks: readonly (string | Uint8Array)[]): Read {
  const reader = new AnswerReader("asked-for")
  const pieces: string[] = []
  const step = (action: () => void): ModelFailure | null => {
    try {
      action()
      return null
    } catch (error) {
      if (error instanceof ModelFailure) return error
      throw error
    } finally {
      pieces.push(reader.take())
    }
  }
  let failure: ModelFailure | null = null
  for (const bytes of chunks) failure ??= step(() => reader.push(Buffer.from(bytes)))
  failure ??= step(() => reader.end())
  if (failure === null) pieces.push(reader.takeLast())
  return { pieces: pieces.filter((piece) => piece !== ""), failure, reader }
}

function textOf(...events: string[]): string {
  return read([events.join("")]).pieces.join("")
}

/** One delta as JSON, with characters written as escapes where `escaped` says so: servers differ in that. */
function deltaWith(content: string, escaped: boolean): string {
  const units = Array.from({ length: content.length }, (_, at) => content.charCodeAt(at))
  const json = units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")
  return escaped ? text("@").replace('"@"', () => `"${json}"`) : text(content)
}

describe("the text of an answer", () => {
  test("is the same for any text, any cut into deltas, any escapes and any split of the bytes", () => {
    const delta = fc.tuple(
      fc.string({
        unit: fc.oneof(fc.constantFrom("\\", '"', "\n", "🐻", "é"), fc.string({ unit: "binary", maxLength: 1 })),
      }),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.array(delta), fc.array(fc.integer({ min: 1, max: 400 })), (deltas, lengths) => {
        const said = deltas.map(([content]) => content).join("")
        const stream = Buffer.from(
          [role, ...deltas.map(([content, escaped]) => deltaWith(content, escaped)), finish(), done].join(""),
        )
        const { pieces, failure } = read(split(stream, lengths))
        expect(failure).toBeNull()
        expect(pieces.join("")).toBe(said.replaceAll("\0", "\uFFFD"))
      }),
      { numRuns: 300 },
    )
  })

  test("is the same one byte at a time", () => {
    const deltas = ["Grüß ", "dich, 🐻", "‍❄️!", "\n\n", 'say "hi"', "\u2028", "漢字", "\\u0041"]
    const { pieces } = read(split(Buffer.from(answer(...deltas)), []))
    expect(pieces.join("")).toBe(deltas.join(""))
  })

  test("has a surrogate pair that was split over two deltas whole, and in one piece", () => {
    const high = deltaWith("a\uD83D", true)
    const low = deltaWith("\uDC3Bz", true)
    expect(read([role, high, low, finish(), done]).pieces).toEqual(["a", "🐻z"])
  })

  test.each([
    ["a high surrogate alone", ["a\uD83D", "b"], "a\uFFFDb"],
    ["a low surrogate alone", ["a", "\uDC3Bb"], "a\uFFFDb"],
    ["a high surrogate at the end", ["a\uD83D"], "a\uFFFD"],
    ["two halves the wrong way round", ["\uDC3B", "\uD83D"], "\uFFFD\uFFFD"],
    ["NUL", ["a\0b", "\0"], "a\uFFFDb\uFFFD"],
  ])("has U+FFFD for %s", (_, deltas, expected) => {
    const events = deltas.map((content) => deltaWith(content, true))
    expect(read([role, ...events, finish(), done]).pieces.join("")).toBe(expected)
    expect(textOf(role, ...events, finish(), done)).toBe(expected)
  })

  test("of one read is one piece, without empty ones", () => {
    expect(read([answer("a", "", "b", "c")]).pieces).toEqual(["abc"])
    expect(
      read([role, chunk({ content: "" }), chunk({ content: null }), chunk({}), text("a"), finish()]).pieces,
    ).toEqual(["a"])
  })

  test("that came before a failure in the same read is kept", () => {
    const { pieces, failure } = read([text("so far") + event("{oops")])
    expect(pieces).toEqual(["so far"])
    expect(failure?.code).toBe("model_invalid")
  })

  test("is only that of the first choice", () => {
    const second = event({ choices: [{ index: 1, delta: { content: "other" } }] })
    expect(textOf(text("a"), second, text("b"), finish())).toBe("ab")
  })

  test("in a chunk that also finishes is not lost", () => {
    expect(textOf(text("a"), chunk({ content: "b" }, "stop"))).toBe("ab")
  })
})

describe("the end of an answer", () => {
  test.each([
    [
      "stop",
      [text("a"), finish("stop"), usage(3, 1), done],
      { finishReason: "stop", usage: { inputTokens: 3, outputTokens: 1 } },
    ],
    ["length", [text("a"), finish("length"), done], { finishReason: "length", usage: null }],
    ["no [DONE]", [text("a"), finish()], { finishReason: "stop", usage: null }],
    [
      "usage before the end",
      [text("a"), usage(3, 1), finish(), done],
      { finishReason: "stop", usage: { inputTokens: 3, outputTokens: 1 } },
    ],
    ["a usage that is none", [text("a"), finish(), usage(-1, 0.5), done], { finishReason: "stop", usage: null }],
  ])("with %s is whole", (_, events, expected) => {
    const { reader, failure } = read(events)
    expect(failure).toBeNull()
    expect(reader.result()).toEqual({ ...expected, model: "gpt-4.1-2025-04-14" })
  })

  test("names the model that was asked for when the answer does not", () => {
    const { reader } = read([event({ choices: [{ delta: { content: "a" }, finish_reason: "stop" }] })])
    expect(reader.result().model).toBe("asked-for")
  })

  test.each([
    ["nothing at all", [], "model_unavailable"],
    ["only comments", [": ping\n\n"], "model_unavailable"],
    ["text without a finish reason", [text("a")], "model_unavailable"],
    ["[DONE] without a finish reason", [text("a"), done], "model_unavailable"],
    ["a finish reason cut in half", [text("a"), finish().slice(0, -40)], "model_invalid"],
    ["content_filter", [text("a"), finish("content_filter"), done], "model_refused"],
    ["tool_calls", [chunk({ tool_calls: [{ index: 0 }] }), finish("tool_calls")], "model_invalid"],
    ["function_call", [finish("function_call")], "model_invalid"],
    ["an unknown finish reason", [text("a"), finish("tired")], "model_invalid"],
    ["finish reason error", [text("a"), finish("error")], "model_unavailable"],
    ["a refusal", [chunk({ refusal: "I can't" }), finish()], "model_refused"],
    ["a page", ["<!doctype html>\n<title>Sign in</title>\n"], "model_invalid"],
    ["malformed JSON", [event('{"choices":[{"delta":{"content":"x}')], "model_invalid"],
    ["JSON that is no object", [event("[1]")], "model_invalid"],
    ["choices that are no list", [event({ choices: { 0: {} } })], "model_invalid"],
    ["a choice that is no object", [event({ choices: [7] })], "model_invalid"],
    ["a delta that is no object", [event({ choices: [{ delta: "a" }] })], "model_invalid"],
    ["content that is no text", [chunk({ content: 7 })], "model_invalid"],
    ["content in parts", [chunk({ content: [{ type: "text", text: "a" }] })], "model_invalid"],
    ["a finish reason that is no text", [event({ choices: [{ delta: {}, finish_reason: 7 }] })], "model_invalid"],
    ["an error object", [text("a"), event({ error: { message: "boom", type: "server_error" } })], "model_unavailable"],
    ["an error text", [event({ error: "boom" })], "model_unavailable"],
    ["an error event", [`event: error\n${event({ message: "boom", code: "content_filter" })}`], "model_refused"],
    ["an error of content", [event({ error: { code: "content_filter" } })], "model_refused"],
    ["an error with a status", [event({ error: { code: 400 } })], "model_refused"],
    [
      "an error named like a property of every object",
      [event({ error: { code: "constructor" } })],
      "model_unavailable",
    ],
    ["a 10 MB line", Array.from({ length: 160 }, () => "x".repeat(65_536)), "model_invalid"],
  ])("with %s is a failure", (_, events, code) => {
    expect(read(events).failure?.code).toBe(code)
  })

  test("without any text is a failure", () => {
    const { reader, failure } = read([role, finish(), done])
    expect(failure).toBeNull()
    expect(() => reader.result()).toThrow("it is empty")
  })

  test("is known before its usage, and over with [DONE]", () => {
    const reader = new AnswerReader("m")
    reader.push(Buffer.from(text("a") + finish()))
    expect([reader.isWhole, reader.isDone]).toEqual([true, false])
    reader.push(Buffer.from(usage(1, 1) + done + event("{oops")))
    expect([reader.isWhole, reader.isDone]).toEqual([true, true])
  })
})

function split(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  for (const length of lengths) {
    parts.push(bytes.subarray(start, start + length))
    start += length
  }
  if (lengths.length > 0) return [...parts, bytes.subarray(start)]
  return Array.from(bytes, (byte) => Uint8Array.of(byte))
}
