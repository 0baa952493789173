import { expect, test } from "vitest"
import { plainText } from "./plain-text.ts"

test.each([
  ["**Bold**, *italic* and `code`", "Bold, italic and code"],
  ["# Title\n\n> quoted", "Title\n\nquoted"],
  ["- one\n- two", "one\ntwo"],
  ["A [link](https://example.com/x) and ![a picture](https://example.com/y.png)", "A link and a picture"],
  ["```ts\nconst a = 1\n```", "const a = 1"],
  ["2 * 3 is 6, and snake_case stays a word", "2 * 3 is 6, and snake_case stays a word"],
])("%j is read as %j", (markdown, words) => {
  expect(plainText(markdown)).toBe(words)
})
