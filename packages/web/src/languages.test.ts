import { expect, test } from "vitest"
import { arabic } from "./languages/arabic.ts"
import { german } from "./languages/german.ts"
import { languageOf } from "./languages.ts"
import { texts } from "./texts.ts"

test.each([
  ["German", german],
  ["Arabic", arabic],
])("%s says everything that English says", (_, translation) => {
  const said = pathsOf(translation)
  expect(pathsOf(texts).filter((path) => path !== "name" && !said.includes(path))).toEqual([])
})

test.each([
  [["", "de-AT", "en"], "de"],
  [["ar", "de"], "ar"],
  [["", "fr-FR", "en-US"], "en"],
  [["", "fr"], "en"],
  [["constructor"], "en"],
])("of %j, the page speaks %s", (wanted, code) => {
  expect(languageOf(wanted)).toBe(code)
})

function pathsOf(table: object): string[] {
  return Object.entries(table).flatMap(([key, value]: [string, unknown]) => {
    const isTable = typeof value === "object" && value !== null && !Array.isArray(value)
    return isTable ? pathsOf(value).map((path) => `${key}.${path}`) : [key]
  })
}
