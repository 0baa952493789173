import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { offlineAnswer, tokensOf } from "./offline-answer.ts"

function answerTo(content: string): string {
  return offlineAnswer([{ role: "user", content }])
}

describe("the offline model's answer", () => {
  test("always says that it is offline and how to connect a model", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (said) => {
        const answer = answerTo(said)
        expect(answer).toMatch(/offline/)
        expect(answer).toContain("OPENAI_API_KEY")
        expect(answer).toContain("OPENAI_BASE_URL")
        expect(answer).not.toContain("{quote}")
        expect(answer).toBe(answerTo(said))
        expect(answer.isWellFormed()).toBe(true)
      }),
    )
  })

  test("differs from message to message", () => {
    const openings = ["a", "b", "c", "d", "e", "f", "g", "h"].map((said) => answerTo(said).slice(0, 3))
    expect(new Set(openings).size).toBeGreaterThan(2)
  })

  test("does not depend on the persona", () => {
    const user = { role: "user" as const, content: "Hello" }
    expect(offlineAnswer([{ role: "system", content: "x" }, user])).toBe(offlineAnswer([user]))
  })

  test("quotes a piece of the message, on one line", () => {
    expect(answerTo("I went to\nthe lake")).toContain("I went to the lake")
    expect(answerTo("x".repeat(500))).toMatch(/[^x]x{80}…/)
    expect(answerTo(`${"x".repeat(79)}👨‍👩‍👧‍👦yy`)).toContain("x👨‍👩‍👧‍👦…")
  })

  test("quotes nothing that a page could take for markup", () => {
    const answer = answerTo("<img src=x> ![a](javascript:b) `c` **d** ](e)\u202E\0 $& {quote}")
    expect(answer).toContain("img src=x !ajavascript:b c d e $& quote")
    expect(answer).not.toMatch(/[<\u202E\0]/)
  })

  test("is long when a story is asked for", () => {
    expect(answerTo("Tell me a story!").length).toBeGreaterThan(1000)
    expect(answerTo("Along came history").length).toBeLessThan(1000)
  })

  test("is its tokens, joined", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const tokens = tokensOf(text)
        expect(tokens.join("")).toBe(text)
        expect(tokens.every((token) => token !== "" && token.isWellFormed() === text.isWellFormed())).toBe(true)
      }),
    )
  })
})
