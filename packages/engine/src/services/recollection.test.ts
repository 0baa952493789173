import { pino } from "pino"
import { expect, test } from "vitest"
import type { FindByMeaning } from "./meaning.ts"
import { recollection } from "./recollection.ts"

const memory = { id: "m", kind: "note", isPinned: false, text: "Likes honey", since: "2026-01-01" } as const
const quote = {
  id: "q",
  role: "user",
  text: "I like honey",
  day: "2026-01-01",
  createdAt: "2026-01-01T00:00:00Z",
  score: 1,
} as const
const remembered = { memories: [memory], quotes: [quote], today: "2026-02-01" }
const nothing = { memories: [], quotes: [], today: null }
const occasion = { conversationId: "id", position: 4, window: 3 }
const options = { maxMs: 150, maxAtOnce: 2, find: null }
const logger = pino({ level: "silent" })
const never = new AbortController().signal

test("what is remembered is given", async () => {
  const recollect = recollection({ recollect: async () => remembered }, logger, options)
  expect(await recollect(occasion, "honey?", never)).toEqual(remembered)
})

test("a memory that is down is as good as none", async () => {
  const recollect = recollection({ recollect: () => Promise.reject(new Error("down")) }, logger, options)
  expect(await recollect(occasion, "honey?", never)).toEqual(nothing)
})

test("a memory that never answers is not waited for", async () => {
  const recollect = recollection({ recollect: () => new Promise(() => undefined) }, logger, options)
  expect(await recollect(occasion, "honey?", never)).toEqual(nothing)
})

test("an abort ends the wait", async () => {
  const abort = new AbortController()
  const recollect = recollection({ recollect: () => new Promise(() => abort.abort()) }, logger, options)
  expect(await recollect(occasion, "honey?", abort.signal)).toEqual(nothing)
})

test("so many reads are under way at most, and the next one has its turn when one is over", async () => {
  const reads: PromiseWithResolvers<typeof remembered>[] = []
  const recollect = recollection(
    {
      recollect: () => {
        const read = Promise.withResolvers<typeof remembered>()
        reads.push(read)
        return read.promise
      },
    },
    logger,
    { ...options, maxMs: 60_000 },
  )
  const [one, two, three] = [
    recollect(occasion, "honey?", never),
    recollect(occasion, "honey?", never),
    recollect(occasion, "honey?", never),
  ]
  const given = new AbortController()
  const four = recollect(occasion, "honey?", given.signal)
  expect(reads).toHaveLength(2)
  reads[0]!.resolve(remembered)
  expect(await one).toEqual(remembered)
  await expect.poll(() => reads.length).toBe(3)
  // Who gave up has no turn any more.
  given.abort()
  expect(await four).toEqual(nothing)
  for (const read of reads) read.resolve(remembered)
  expect(await Promise.all([two, three])).toEqual([remembered, remembered])
  expect(reads).toHaveLength(3)
})

const near = { ...quote, id: "n", text: "I like what bees make", score: 0.5 } as const

test("what is near by meaning is given beside what is found by words", async () => {
  const find = async () => [near]
  const recollect = recollection({ recollect: async () => remembered }, logger, { ...options, find })
  expect(await recollect(occasion, "honey?", never)).toEqual({ ...remembered, quotes: [quote, near] })
})

test("a meaning that never comes takes nothing from what is found by words", async () => {
  const find = () => new Promise<never>(() => undefined)
  const recollect = recollection({ recollect: async () => remembered }, logger, { ...options, find })
  expect(await recollect(occasion, "honey?", never)).toEqual(remembered)
})

test("meaning is looked for from the beginning, and told of the words", async () => {
  const words = Promise.withResolvers<typeof remembered>()
  const find: FindByMeaning = async (_occasion, _question, _limits, byWords) => {
    words.resolve(remembered)
    expect(await byWords).toBe(remembered)
    return [near]
  }
  const recollect = recollection({ recollect: () => words.promise }, logger, { ...options, find })
  expect(await recollect(occasion, "honey?", never)).toEqual({ ...remembered, quotes: [quote, near] })
})
