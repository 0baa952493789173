import { ChatError } from "../core/errors.ts"
import { pino } from "pino"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { Embedder, EmbeddingStore } from "../memory-ports.ts"
import { findByMeaning } from "./meaning.ts"

const near = {
  id: "n",
  role: "user",
  text: "I like what bees make",
  day: "2026-01-01",
  createdAt: "2026-01-01T00:00:00Z",
  score: 1,
} as const
const occasion = { conversationId: "id", position: 4, window: 3 }
const limits = { quotes: 50, quoteLength: 100, totalLength: 1000 }
const never = new AbortController().signal
const down = () => Promise.reject(new Error("down"))
const silent = () => new Promise<never>(() => undefined)

let embed: Embedder["embed"]
let nearest: EmbeddingStore["nearest"]
let asked: string[]
let byWords: Promise<unknown>
let nowMs: number
let log: number[]

beforeEach(() => {
  byWords = Promise.resolve()
  embed = async () => [[0, 1]]
  nearest = async () => [near]
  asked = []
  nowMs = 0
  log = []
})

function start() {
  const logger = pino({}, { write: (line: string) => void log.push((JSON.parse(line) as { level: number }).level) })
  const embedder: Embedder = {
    model: "m",
    embed(texts, signal) {
      asked.push(...texts)
      return embed(texts, signal)
    },
  }
  const embeddings = { nearest: (...given: Parameters<typeof nearest>) => nearest(...given) }
  const find = findByMeaning({ embedder, embeddings, logger, now: () => nowMs, maxMs: 150, afterWordsMaxMs: 50 })
  return (question: string, signal = never) => find(occasion, question, limits, byWords, signal)
}

/** How long it takes until a silent model is not waited for any more, with the words found after so long. */
async function waited(byWordsMs: number): Promise<number> {
  vi.useFakeTimers()
  embed = silent
  byWords = new Promise<void>((resolve) => setTimeout(resolve, byWordsMs))
  const startMs = Date.now()
  const found = start()("honey?").then((quotes) => {
    expect(quotes).toEqual([])
    return Date.now() - startMs
  })
  await vi.runAllTimersAsync()
  return found
}
afterEach(() => void vi.useRealTimers())

test("is waited for 50 ms longer than the words, and 150 ms in all", async () => {
  expect(await waited(0)).toBe(50)
  expect(await waited(40)).toBe(90)
  expect(await waited(140)).toBe(150)
  expect(await waited(10_000)).toBe(150)
})

test("is there at once where it is faster than the words", async () => {
  byWords = silent()
  expect(await start()("honey?")).toEqual([near])
})

test("what is near to the question's vector is found", async () => {
  nearest = async (...given) => {
    expect(given).toEqual([occasion, { model: "m", vector: [0, 1] }, limits])
    return [near]
  }
  expect(await start()("honey?")).toEqual([near])
})

test("of a long question the beginning is asked, of a blank one nothing", async () => {
  const find = start()
  await find("x".repeat(32_000))
  expect(await find(" \n")).toEqual([])
  expect(asked).toEqual(["x".repeat(2000)])
})

test("a model that is late is hung up on", async () => {
  const hungUp = Promise.withResolvers<void>()
  embed = (_, signal) => {
    signal.addEventListener("abort", () => hungUp.resolve())
    return silent()
  }
  expect(await start()("honey?")).toEqual([])
  await hungUp.promise
})

test.each<[string, () => void]>([
  ["a model that is down", () => (embed = down)],
  ["a model that is silent", () => (embed = silent)],
  ["a database that refuses", () => (nearest = down)],
  ["a database that is silent", () => (nearest = silent)],
])("%s is asked three times, and then not for half a minute; both is logged once", async (_, fail) => {
  const find = start()
  const ask = async (times: number) => {
    for (let time = 0; time < times; time++) await find("honey?")
    return asked.splice(0).length
  }
  fail()
  expect(await ask(2)).toBe(2)
  embed = async () => [[0, 1]]
  nearest = async () => [near]
  expect(await ask(1)).toBe(1)
  fail()
  expect(await ask(10)).toBe(3)
  nowMs = 29_999
  expect(await ask(1)).toBe(0)
  nowMs = 30_000
  expect(await ask(5)).toBe(1)
  expect(log).toEqual([40])
  nowMs = 60_000
  embed = async () => [[0, 1]]
  nearest = async () => [near]
  expect(await ask(5)).toBe(5)
  expect(log).toEqual([40, 30])
})

test("a question that the model refuses is no miss", async () => {
  const find = start()
  embed = () => Promise.reject(new ChatError("invalid_request", "Too long."))
  for (let time = 0; time < 5; time++) expect(await find("honey?")).toEqual([])
  embed = async () => [[0, 1]]
  expect(await find("honey?")).toEqual([near])
})

test("a reply that is stopped meanwhile is no miss", async () => {
  const find = start()
  embed = async (_, signal) => {
    signal.throwIfAborted()
    return [[0, 1]]
  }
  const stopped = AbortSignal.abort(new Error("stopped"))
  for (let time = 0; time < 5; time++) expect(await find("honey?", stopped)).toEqual([])
  expect(await find("honey?")).toEqual([near])
  expect(log).toEqual([])
})
