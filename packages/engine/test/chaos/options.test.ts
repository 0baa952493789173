import { expect, test } from "vitest"
import { readOptions } from "./options.ts"
import { Random } from "./random.ts"

test("the options have defaults, and every run a seed", () => {
  expect(readOptions([])).toMatchObject({ minutes: 2, users: 12, redis: null, plant: null })
  expect(readOptions(["--minutes", "0.5", "--seed", "7", "--no-redis"])).toMatchObject({
    minutes: 0.5,
    seed: 7,
    redis: false,
  })
})

test.each([
  [["--minute", "1"], "Unknown option '--minute'"],
  [["--minutes", "soon"], "--minutes must be a number from 0.1 to 1440."],
  [["--seed", "-1"], "--seed"],
  [["--plant", "a tree"], "--plant must be one of"],
])("%j is refused in a sentence", (args, sentence) => {
  expect(() => readOptions(args)).toThrow(sentence)
})

test("the same seed and name give the same numbers, another name others", () => {
  const draw = (name: string) =>
    Array.from(
      { length: 5 },
      (
        (random) => () =>
          random.next()
      )(Random.of(7, name)),
    )
  expect(draw("a")).toEqual(draw("a"))
  expect(draw("a")).not.toEqual(draw("b"))
})
