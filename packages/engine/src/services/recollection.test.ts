import { pino } from "pino"
import { expect, test } from "vitest"
import { recollection } from "./recollection.ts"

const memory = { kind: "note", text: "Likes honey", since: "2026-01-01" } as const
const logger = pino({ level: "silent" })
const quote = { messageId: "m", role: "user", content: "I like honey", createdAt: "2026-01-01T00:00:00Z" } as const
const words = { recall: async () => [quote] }
const none = { recall: async () => [] }
const context = [{ role: "user", content: "What do I like?" }] as const
const never = new AbortController().signal

test("what is remembered is given", async () => {
  const recollect = recollection({ remembered: async () => [memory] }, none, logger)
  expect(await recollect("id", context, never)).toEqual({ memories: [memory], quotes: [] })
})

test("a memory that is down is as good as none", async () => {
  const recollect = recollection({ remembered: () => Promise.reject(new Error("down")) }, none, logger)
  expect(await recollect("id", context, never)).toEqual({ memories: [], quotes: [] })
})

test("a memory that never answers is not waited for", async () => {
  const recollect = recollection({ remembered: () => new Promise(() => undefined) }, none, logger)
  expect(await recollect("id", context, never)).toEqual({ memories: [], quotes: [] })
})

test("an abort ends the wait", async () => {
  const abort = new AbortController()
  const recollect = recollection({ remembered: () => new Promise(() => abort.abort()) }, none, logger)
  expect(await recollect("id", context, abort.signal)).toEqual({ memories: [], quotes: [] })
})

test("either part is given without the other, when that fails or never answers", async () => {
  const down = recollection({ remembered: () => Promise.reject(new Error("down")) }, words, logger)
  expect(await down("id", context, never)).toEqual({ memories: [], quotes: [quote] })
  const slow = recollection(
    { remembered: async () => [memory] },
    { recall: () => new Promise(() => undefined) },
    logger,
  )
  expect(await slow("id", context, never)).toEqual({ memories: [memory], quotes: [] })
})
