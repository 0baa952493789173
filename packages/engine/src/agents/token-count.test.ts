import * as fc from "fast-check"
import { encode } from "gpt-tokenizer/encoding/o200k_base"
import { expect, test } from "vitest"
import { loadTokenCounter, tokensAtMost } from "./token-count.ts"

test.each(["", "Hello, world!", "Grüß dich 🐻‍❄️", "今日は", "\n\n  x\t"])(
  "counts %j as the model does",
  async (text) => {
    const count = await loadTokenCounter()
    expect(count(text)).toBe(encode(text).length)
  },
)

test("counts text that looks like a special token as text", async () => {
  const count = await loadTokenCounter()
  expect(count("<|endoftext|>")).toBeGreaterThan(1)
  expect(count("<|im_start|>system")).toBeGreaterThan(1)
})

test("counts a long text nearly as the model does", async () => {
  const count = await loadTokenCounter()
  const text = "The old bear wrote down what the jay had told him, with the day and the hour. ".repeat(300)
  const exact = encode(text).length
  expect(count(text)).toBeGreaterThanOrEqual(exact)
  expect(count(text)).toBeLessThan(exact * 1.01)
})

test("counts no further than it is asked to", async () => {
  const count = await loadTokenCounter()
  const text = "bear ".repeat(100_000)
  const counted = count(text, 3000)
  expect(counted).toBeGreaterThan(3000)
  expect(counted).toBeLessThan(3000 + 1024)
  expect(count("bear bear", 2)).toBe(count("bear bear"))
})

test("counts a long unbroken run without taking for ever", async () => {
  const count = await loadTokenCounter()
  const started = performance.now()
  expect(count("a".repeat(80_000))).toBeGreaterThan(0)
  expect(performance.now() - started).toBeLessThan(15_000)
})

test("does not split a character between two slices", async () => {
  const count = await loadTokenCounter()
  const first = `${"a ".repeat(511)}a`
  expect(count(`${first}🐻b`)).toBe(encode(first).length + encode("🐻b").length)
})

test("never counts more than there can be at most", async () => {
  const count = await loadTokenCounter()
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
      expect(count(text)).toBeLessThanOrEqual(tokensAtMost(text))
    }),
  )
})
