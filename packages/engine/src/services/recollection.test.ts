import { pino } from "pino"
import { expect, test } from "vitest"
import { recollection } from "./recollection.ts"

const memory = { id: "m", kind: "note", text: "Likes honey", since: "2026-01-01" } as const
const logger = pino({ level: "silent" })
const never = new AbortController().signal

test("what is remembered is given", async () => {
  const recollect = recollection({ remembered: async () => [memory] }, logger)
  expect(await recollect("id", never)).toEqual({ memories: [memory] })
})

test("a memory that is down is as good as none", async () => {
  const recollect = recollection({ remembered: () => Promise.reject(new Error("down")) }, logger)
  expect(await recollect("id", never)).toEqual({ memories: [] })
})

test("a memory that never answers is not waited for", async () => {
  const recollect = recollection({ remembered: () => new Promise(() => undefined) }, logger)
  expect(await recollect("id", never)).toEqual({ memories: [] })
})

test("an abort ends the wait", async () => {
  const abort = new AbortController()
  const recollect = recollection({ remembered: () => new Promise(() => abort.abort()) }, logger)
  expect(await recollect("id", abort.signal)).toEqual({ memories: [] })
})
