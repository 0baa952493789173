import { pino } from "pino"
import { expect, test } from "vitest"
import { recollection } from "./recollection.ts"

const memory = { id: "m", kind: "note", text: "Likes honey", since: "2026-01-01" } as const
const quote = {
  id: "q",
  role: "user",
  text: "I like honey",
  day: "2026-01-01",
  createdAt: "2026-01-01T00:00:00Z",
} as const
const remembered = { memories: [memory], quotes: [quote] }
const nothing = { memories: [], quotes: [] }
const occasion = { conversationId: "id", position: 4, window: 3 }
const logger = pino({ level: "silent" })
const never = new AbortController().signal

test("what is remembered is given", async () => {
  const recollect = recollection({ recollect: async () => remembered }, logger, 150)
  expect(await recollect(occasion, never)).toEqual(remembered)
})

test("a memory that is down is as good as none", async () => {
  const recollect = recollection({ recollect: () => Promise.reject(new Error("down")) }, logger, 150)
  expect(await recollect(occasion, never)).toEqual(nothing)
})

test("a memory that never answers is not waited for", async () => {
  const recollect = recollection({ recollect: () => new Promise(() => undefined) }, logger, 150)
  expect(await recollect(occasion, never)).toEqual(nothing)
})

test("an abort ends the wait", async () => {
  const abort = new AbortController()
  const recollect = recollection({ recollect: () => new Promise(() => abort.abort()) }, logger, 150)
  expect(await recollect(occasion, abort.signal)).toEqual(nothing)
})
