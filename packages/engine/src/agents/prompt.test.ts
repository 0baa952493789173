import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { ContextMessage } from "../ports.ts"
import { buildPrompt, surelyFits } from "./prompt.ts"

const persona = { name: "p", version: "1", systemPrompt: "You are P." }
const system = { role: "system", content: "You are P." }
/** A counter of one token a character, which goes no further than it has to. */
const countTokens = (text: string, enough = Infinity) => Math.min(text.length, enough + 1)

function contextOf(...contents: string[]): ContextMessage[] {
  const last = contents.length - 1
  return contents.map((content, at) => ({ role: (last - at) % 2 === 0 ? "user" : "assistant", content }))
}

function prompt(context: ContextMessage[], contextTokens: number) {
  return buildPrompt({ persona, context, contextTokens, countTokens })
}

describe("the prompt", () => {
  test("is the system prompt, then the context in order", () => {
    const context = contextOf("one", "two", "three")
    expect(prompt(context, 1000)).toEqual([system, ...context])
  })

  test("leaves out the oldest messages that do not fit", () => {
    const context = contextOf("aaaaaa", "bbbbbb", "cccccc")
    expect(prompt(context, 30)).toEqual([system, ...context])
    expect(prompt(context, 29)).toEqual([system, ...context.slice(1)])
    expect(prompt(context, 19)).toEqual([system, ...context.slice(2)])
  })

  test("always has the message to answer", () => {
    const context = contextOf("old", "x".repeat(100))
    expect(prompt(context, 10)).toEqual([system, context[1]])
    expect(prompt(context, 0)).toEqual([system, context[1]])
  })

  test("has no hole: what is older than a message that does not fit is out, too", () => {
    const context = contextOf("a", "b".repeat(100), "c")
    expect(prompt(context, 50)).toEqual([system, context[2]])
  })

  test("is counted no further than the budget, however long its texts are", () => {
    const counted: number[] = []
    const counting = (text: string, enough?: number) => {
      counted.push(countTokens(text, enough))
      return counted.at(-1)!
    }
    const context = contextOf("x".repeat(1_000_000), "y".repeat(1_000_000), "z")
    expect(buildPrompt({ persona, context, contextTokens: 100, countTokens: counting })).toEqual([system, context[2]])
    expect(counted).toEqual([1, 96])
  })

  test("is not counted where its length shows that it fits", () => {
    const context = contextOf("Grüß dich", "Hallo", "Wie geht's?")
    const counting = () => {
      throw new Error("counted")
    }
    expect(buildPrompt({ persona, context, contextTokens: 8000, countTokens: counting })).toHaveLength(4)
  })

  test("of nothing is the system prompt", () => {
    expect(prompt([], 100)).toEqual([system])
  })

  test("is always a newest part of the context, as long as the budget allows", () => {
    const cost = (messages: readonly { content: string }[]) =>
      messages.reduce((sum, { content }) => sum + content.length + 4, 0)
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.nat({ max: 200 }), (contents, budget) => {
        const context = contextOf(...contents)
        const kept = prompt(context, budget).slice(1)
        const dropped = context.length - kept.length
        expect(kept).toEqual(context.slice(dropped))
        expect(kept.length).toBeGreaterThan(0)
        const fits = cost(kept) <= budget || kept.length === 1
        const oneMoreFits = dropped > 0 && cost(context.slice(dropped - 1)) <= budget
        expect({ fits, oneMoreFits }).toEqual({ fits: true, oneMoreFits: false })
        expect(surelyFits(context, budget) && dropped > 0).toBe(false)
      }),
    )
  })
})
