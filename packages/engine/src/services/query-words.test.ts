import { expect, test } from "vitest"
import { queryWords } from "./query-words.ts"

test("a word comes in every case that it may be written in", () => {
  expect(queryWords(" östersund\u3000USA ")).toEqual([
    ["östersund", "Östersund", "ÖSTERSUND"],
    ["USA", "usa", "Usa"],
  ])
  expect(queryWords("honey honey").map(([word]) => word)).toEqual(["honey"])
  expect(queryWords("東京 3.14")).toEqual([["東京"], ["3.14"]])
})

test("what has neither letter nor digit is no word", () => {
  expect(queryWords(" \n& | ! :* 🐻")).toEqual([])
})
