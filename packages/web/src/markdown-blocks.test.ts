import * as fc from "fast-check"
import { expect, test } from "vitest"
import { longAnswer } from "../test/fixtures/long-answer.ts"
import { splitBlocks } from "./markdown-blocks.ts"

const piece = fc.constantFrom(
  "Some words",
  " more",
  "\n",
  "\n\n",
  "- item",
  "2. item",
  "  indented",
  "```ts\n",
  "```",
  "# Title",
  "> quoted",
  "| a | b |",
)

test("the blocks, put together, are the text", () => {
  const property = fc.property(fc.array(piece), (pieces) => {
    expect(splitBlocks(pieces.join("")).join("")).toBe(pieces.join(""))
  })
  fc.assert(property)
})

test("a text that grows changes no block but its last two", () => {
  const property = fc.property(fc.array(piece), fc.array(piece), (first, rest) => {
    const before = splitBlocks(first.join("")).slice(0, -2)
    const after = splitBlocks([...first, ...rest].join(""))
    expect(after.slice(0, before.length)).toEqual(before)
  })
  fc.assert(property, { numRuns: 1_000 })
})

test("of an answer of 15,000 characters each piece makes no more be read anew than the longest block and its neighbour", () => {
  const counts: number[] = []
  let before: string[] = []
  for (let length = 0; length < longAnswer.length; ) {
    length += 12
    const blocks = splitBlocks(longAnswer.slice(0, length))
    const changed = blocks.filter((block, index) => block !== before[index])
    counts.push(changed.join("").length)
    before = blocks
  }
  const longest = Math.max(...splitBlocks(longAnswer).map((block) => block.length))
  expect(longest).toBeLessThan(1_000)
  expect(Math.max(...counts)).toBeLessThanOrEqual(longest * 2)
})

test.each([
  [
    "paragraphs are cut at blank lines",
    "one\n\ntwo\nstill two\n\n\nthree",
    ["one\n\n", "two\nstill two\n\n\n", "three"],
  ],
  ["a code block is not cut", "```\na\n\nb\n```\n\nafter", ["```\na\n\nb\n```\n\n", "after"]],
  ["a fence of another kind does not close it", "~~~\n```\n\n~~~\n\nafter", ["~~~\n```\n\n~~~\n\n", "after"]],
  ["a loose list is one block", "- a\n\n- b\n\n  more of b\n\nafter", ["- a\n\n- b\n\n  more of b\n\n", "after"]],
  ["definitions keep the text whole", "see [1]\n\n[1]: https://example.com", ["see [1]\n\n[1]: https://example.com"]],
  ["nothing is no block", "", []],
])("%s", (_, text, blocks) => {
  expect(splitBlocks(text)).toEqual(blocks)
})
