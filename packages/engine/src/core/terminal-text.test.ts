import { expect, test } from "vitest"
import { terminalText } from "./terminal-text.ts"

test.each([
  ["\u001b[31mred\u001b[0m", "[31mred[0m"],
  ["\u001b]52;c;ZXZpbA==\u0007x", "]52;c;ZXZpbA==x"],
  ["\u009b2J\u007f\u0000\b", "2J"],
  ["one\r\ntwo\tthree 🐻 שלום", "one\ntwo\tthree 🐻 שלום"],
])("%j gives no command to a terminal", (text, printed) => {
  expect(terminalText(text)).toBe(printed)
})
