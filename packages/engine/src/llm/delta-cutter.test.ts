import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { readChatChunk } from "./chat-chunk.ts"
import { DeltaCutter } from "./delta-cutter.ts"

function exactText(data: string): string {
  return readChatChunk(data, "").text
}

/** What a cutter that has learned from `first` cuts out of `next`, put between other text. */
function cutAfter(first: string, next: string): string | null {
  const cutter = new DeltaCutter(exactText)
  cutter.learn(first, exactText(first))
  const around = `data: ${next}\n\ndata: x`
  return cutter.cut(around, "data: ".length, "data: ".length + next.length)
}

function withContent(content: string, rest = ""): string {
  return `{"id":"1","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},"finish_reason":null}]${rest}}`
}

describe("cutting a text out of its chunk", () => {
  test("works where nothing but the text differs", () => {
    expect(cutAfter(withContent("Hello"), withContent(" Grüße 🐻"))).toBe(" Grüße 🐻")
    expect(cutAfter(withContent("Hello"), withContent(""))).toBe("")
  })

  test("works where padding differs, too", () => {
    const padded = (content: string, padding: string) =>
      withContent(content, `,"usage":null,"obfuscation":"${padding}"`)
    expect(cutAfter(padded("Hello", "x8Kd"), padded(" you", "p"))).toBe(" you")
    expect(cutAfter(padded("Hello", "x8Kd"), padded(" you", ""))).toBe(" you")
    expect(cutAfter(padded("Hello", "x8Kd"), `${padded(" you", "p")}x`)).toBeNull()
  })

  test.each([
    ["an escape", withContent('a"b')],
    ["a line feed", withContent("a\n")],
    ["another id", withContent("a").replace('"1"', '"2"')],
    ["a finish reason", withContent("a").replace("null", '"stop"')],
    ["more after it", withContent("a", ',"error":{}')],
    ["something behind it", `${withContent("a")}x`],
    ["less after it", withContent("a").slice(0, -1)],
    ["a text without an end", withContent("a").slice(0, 51)],
  ])("is left to the parser with %s", (_, next) => {
    expect(cutAfter(withContent("Hello"), next)).toBeNull()
  })

  test("is not fooled by the same key in another place", () => {
    const decoy = (content: string) =>
      `{"first":{"content":"Hi"},"choices":[{"delta":{"content":${JSON.stringify(content)}}}]}`
    expect(cutAfter(decoy("Hi"), decoy("other"))).toBeNull()
    expect(cutAfter(decoy("Hi"), '{"first":{"content":"other"},"choices":[{"delta":{"content":"Hi"}}]}')).toBeNull()
  })

  test("gives up learning from a provider whose chunks are all different", () => {
    let parsed = 0
    const cutter = new DeltaCutter((data) => {
      parsed++
      return exactText(data)
    })
    for (let n = 0; n < 100; n++) cutter.learn(withContent("a", `,"n":${n}`), "a")
    expect(parsed).toBeLessThan(10)
  })

  test("never says anything else than the parser", () => {
    const content = fc.string({ unit: fc.constantFrom("a", "é", "🐻", '"', "\\", "\n", " ", '"content":"', "}") })
    const choice = content.map((said) => ({ index: 0, delta: { content: said }, finish_reason: null }))
    const data = fc
      .record(
        {
          id: fc.constantFrom("1", "content", '"content":"'),
          first: fc.record({ content }, { requiredKeys: [] }),
          obfuscation: content,
          choices: fc.array(choice, { maxLength: 2 }),
          usage: fc.constant(null),
        },
        { requiredKeys: ["choices"] },
      )
      .map((chunk) => JSON.stringify(chunk))
    fc.assert(
      fc.property(fc.array(data, { minLength: 2, maxLength: 6 }), (chunks) => {
        const cutter = new DeltaCutter(exactText)
        for (const chunk of chunks) {
          const exact = exactText(chunk)
          expect([null, exact]).toContain(cutter.cut(chunk, 0, chunk.length))
          cutter.learn(chunk, exact)
        }
      }),
      { numRuns: 500 },
    )
  })
})
