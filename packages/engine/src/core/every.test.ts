import { pino } from "pino"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { every } from "./every.ts"

const log: string[] = []
const logger = pino({}, { write: (line: string) => void log.push(line) })

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }))
afterEach(() => void vi.useRealTimers())

test("a task that takes longer than its interval is not begun a second time meanwhile", async () => {
  let begun = 0
  let task = Promise.withResolvers<void>()
  const timer = every(
    10,
    () => {
      begun += 1
      return task.promise
    },
    logger,
  )
  await vi.advanceTimersByTimeAsync(50)
  expect(begun).toBe(1)
  task.resolve()
  task = Promise.withResolvers()
  await vi.advanceTimersByTimeAsync(50)
  expect(begun).toBe(2)
  clearInterval(timer)
})

test("a task that fails is logged, and tried again", async () => {
  let begun = 0
  const timer = every(
    10,
    async () => {
      begun += 1
      throw new Error("it rains")
    },
    logger,
  )
  await vi.advanceTimersByTimeAsync(20)
  expect(begun).toBe(2)
  expect(log.map((line) => JSON.parse(line))).toMatchObject([
    { msg: "background task failed", err: { message: "it rains" } },
    { msg: "background task failed", err: { message: "it rains" } },
  ])
  clearInterval(timer)
})
