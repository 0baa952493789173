import { expect, test } from "vitest"
import { fuseQuotes } from "./fuse-quotes.ts"

const found = (id: string, score: number) => {
  return { id, role: "user", text: id, day: "2026-01-01", createdAt: "2026-01-01T00:00:00Z", score } as const
}
const idsOf = (quotes: { id: string }[]) => quotes.map(({ id }) => id)

test("what is near counts as much as the best of the words at most, and what is both comes first", () => {
  const byWords = [found("a", 40), found("b", 30), found("c", 4)]
  expect(idsOf(fuseQuotes(byWords, [found("c", 0.95), found("d", 1)]))).toEqual(["c", "a", "d", "b"])
  expect(idsOf(fuseQuotes(byWords, [found("d", 0.01)]))).toEqual(["a", "b", "c", "d"])
})

test("without one of the two it is the other, in its order", () => {
  const some = [found("a", 0), found("b", 0)]
  expect(idsOf(fuseQuotes(some, []))).toEqual(["a", "b"])
  expect(idsOf(fuseQuotes([], [found("a", 1), found("b", 0.5)]))).toEqual(["a", "b"])
  expect(fuseQuotes([], [])).toEqual([])
})
