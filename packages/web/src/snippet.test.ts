import type { SearchHit } from "@grizz/client"
import { expect, test } from "vitest"
import { snippetOf } from "./snippet.ts"

/** With the matches in brackets. */
function shown(content: string, words: string[], role: "user" | "assistant" = "user"): string {
  const highlights = words.map((word) => ({ start: content.indexOf(word), end: content.indexOf(word) + word.length }))
  const message = { content, role } as SearchHit["message"]
  const hit = { message, highlights, conversation: { id: "", title: null, conv_day: null } }
  return snippetOf(hit)
    .map(({ text, isMatch }) => (isMatch ? `[${text}]` : text))
    .join("")
}

test("a short text is shown as it is, on one line", () => {
  expect(shown("The bear\n\nsleeps", ["bear"])).toBe("The [bear] sleeps")
})

test("of a long one what is around the first match is shown, and no word is cut", () => {
  const long = `${"before ".repeat(100)}honey and more honey ${"behind ".repeat(100)}`
  const text = shown(long, ["honey"])
  expect(text).toMatch(/^…(before )+\[honey\] and more honey (behind ?)+…$/)
  expect(text.length).toBeLessThan(240)
})

test("an answer is shown without the signs of its markdown, and a user's words with all of theirs", () => {
  expect(shown("## A **bear**\n> `sleeps`", ["bear"], "assistant")).toBe(" A [bear] sleeps")
  expect(shown("2 * 3 > bear_1", ["bear"])).toBe("2 * 3 > [bear]_1")
})

test("a text without spaces, or of pictures, is cut between its letters", () => {
  expect(shown("京".repeat(500), ["京"])).toBe(`[京]${"京".repeat(219)}…`)
  expect(shown(`a${"🐻".repeat(300)}`, ["a"])).toBe(`[a]${"🐻".repeat(109)}…`)
})

test("what has no match in its place begins at its beginning", () => {
  expect(shown("The bear", [])).toBe("The bear")
})
