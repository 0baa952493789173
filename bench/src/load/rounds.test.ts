import { describe, expect, test } from "vitest"
import { takeTurns } from "./rounds.ts"

describe("rounds", () => {
  test("the subjects take turns, and each begins a round as often as the others", async () => {
    const order: string[] = []
    const subjects = ["a", "b", "c"].map((name) => ({ name }))
    const results = await takeTurns(subjects, 3, async ({ name }, number) => {
      order.push(`${name}${number}`)
      return number
    })
    expect(order).toEqual(["a1", "b1", "c1", "b2", "c2", "a2", "c3", "a3", "b3"])
    expect(Object.fromEntries(results)).toEqual({ a: [1, 2, 3], b: [1, 2, 3], c: [1, 2, 3] })
  })
})
