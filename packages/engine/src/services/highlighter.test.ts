import * as fc from "fast-check"
import { expect, test } from "vitest"
import { Highlighter } from "./highlighter.ts"

/** What is highlighted, as text. */
const shown = (query: string, matched: string[], text: string) =>
  new Highlighter(query, matched).of(text).map(({ start, end }) => text.slice(start, end))

test("words are found as they are written, and not within others", () => {
  const text = "Honey, unhoneyed honey; HONEY. honeys"
  expect(shown("honey", ["honey", "Honey"], text)).toEqual(["Honey", "honey"])
  expect(shown("öl", ["Öl"], "Öl, Ölung, Heizöl, (Öl)")).toEqual(["Öl", "Öl"])
})

test("places are counted in UTF-16 units", () => {
  expect(new Highlighter("bear", ["bear"]).of("🐻🐻 bear")).toEqual([{ start: 5, end: 9 }])
})

test("words with signs in them are found as they are", () => {
  const text = "joe@example.com wrote a/b (3.14, -2) $& .*"
  expect(shown("", ["joe@example.com", "3.14", "-2", "a/b"], text)).toEqual(["joe@example.com", "a/b", "3.14", "-2"])
})

test("scripts without spaces are found by pairs, each stretch as one", () => {
  expect(shown("東京タワー", [], "昨日、東京タワーに行った。東京は")).toEqual(["東京タワー", "東京"])
  expect(shown("猫", [], "猫と猫")).toEqual(["猫", "猫"])
  expect(shown("ขอบคุณ", [], "ขอบคุณมาก")).toEqual(["ขอบคุณ"])
})

test("of a text that repeats itself the first 200 are highlighted", () => {
  expect(new Highlighter("a", ["a"]).of("a ".repeat(16_000))).toHaveLength(200)
})

test("whatever is searched for in whatever text, highlights ascend, do not touch, and are words that were meant", () => {
  const piece = fc.constantFrom("a", "B", "é", "東", "京", "ค", " ", "-", ".", "🐻", "$", "[", "\\", "e\u0301", "\n")
  const word = fc.string({ unit: piece, minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 4 }), fc.string({ unit: piece }), (query, matched, text) => {
      let end = -1
      for (const highlight of new Highlighter(query, matched).of(text)) {
        expect(highlight.start).toBeGreaterThan(end)
        expect(highlight.end).toBeGreaterThan(highlight.start)
        end = highlight.end
        const part = text.slice(highlight.start, highlight.end)
        expect([...matched, ...Array.from(query)].some((one) => part.includes(one))).toBe(true)
      }
      expect(end).toBeLessThanOrEqual(text.length)
    }),
  )
})
