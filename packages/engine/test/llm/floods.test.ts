import { setImmediate as nextTurn } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import { clientOf, runModel } from "../support/model-run.ts"
import { type ModelCall, startModelServer } from "../support/model-server.ts"
import { answer, done, finish, text } from "../support/model-stream.ts"
import { ManualTimer, startStream } from "./streams.ts"

const closers: (() => Promise<void>)[] = []
const patient = { connectMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000, totalMs: 60_000 }

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function serverOf(respond: (call: ModelCall) => void | Promise<void>): Promise<string> {
  const server = await startModelServer(respond)
  closers.push(() => server.close())
  return server.baseUrl
}

/** As fast as the client reads, until it hangs up. */
async function flood(call: ModelCall, bytes: string): Promise<void> {
  call.begin()
  while (await call.write(bytes)) await nextTurn()
}

/** Each byte in an HTTP chunk of its own. */
function inTinyChunks(bytes: string): string {
  return Array.from(Buffer.from(bytes), (byte) => `1\r\n${String.fromCodePoint(byte)}\r\n`).join("")
}

async function floodByBytes(call: ModelCall, bytes: string): Promise<void> {
  const chunks = inTinyChunks(bytes)
  call.begin()
  const isOver = call.closed.then(() => true)
  while (!(await Promise.race([isOver, nextTurn(false)]))) call.writeRaw(chunks)
}

/** The answer, and how much of its text was given in each turn of the loop. */
async function turnsOf(baseUrl: string): Promise<{ text: string; turns: number[] }> {
  const llm = clientOf(baseUrl)
  const turns: number[] = []
  let isNew = true
  const run = await runModel(llm, {
    onText: (piece) => {
      if (isNew) {
        turns.push(0)
        setImmediate(() => (isNew = true))
      }
      isNew = false
      turns[turns.length - 1]! += piece.length
    },
  })
  await llm.close()
  return { text: run.text, turns }
}

describe("while one model floods, the others' answers come in", () => {
  test.each<[string, (call: ModelCall) => Promise<void>]>([
    ["with comments", (call) => flood(call, ": ping\n\n".repeat(8192))],
    ["with events that say nothing", (call) => flood(call, text("").repeat(256))],
    ["with comments, one byte a chunk", (call) => floodByBytes(call, ": ping\n\n".repeat(512))],
  ])("%s", async (_, respond) => {
    const llm = clientOf(await serverOf(respond), { timeouts: patient })
    const other = clientOf(await serverOf((call) => call.begin().end(answer("Hi"))))
    const abort = new AbortController()
    const flooded = runModel(llm, { signal: abort.signal })
    for (let turn = 0; turn < 50; turn++) expect((await runModel(other)).text).toBe("Hi")
    const reason = new Error("enough")
    abort.abort(reason)
    expect((await flooded).error).toBe(reason)
    await Promise.all([llm.close(), other.close()])
  })

  test("with text, which ends at the limit of its length", async () => {
    const llm = clientOf(await serverOf((call) => flood(call, text("flood".repeat(40)).repeat(64))))
    const other = clientOf(await serverOf((call) => call.begin().end(answer("Hi"))))
    const flooded = runModel(llm)
    for (let turn = 0; turn < 50; turn++) expect((await runModel(other)).text).toBe("Hi")
    const { error, text: given } = await flooded
    expect(error).toMatchObject({ code: "model_invalid" })
    expect(given.length).toBeLessThanOrEqual(1024 * 1024)
    await Promise.all([llm.close(), other.close()])
  })
})

describe("a flood reads what anyone may at once, and from then on a short read a step", () => {
  const event = text("x".repeat(1000))

  test.each<[string, (call: ModelCall) => Promise<void>, number]>([
    ["in long chunks", (call) => flood(call, event.repeat(64)), 16 * 1024],
    ["in chunks of a byte", (call) => floodByBytes(call, event.repeat(8)), 1000],
  ])("%s", async (_, respond, stepMaxLength) => {
    const timer = new ManualTimer()
    const baseUrl = await serverOf(respond)
    const llm = clientOf(baseUrl, { timeouts: patient, brake: { every: timer.every, now: () => 0 } })
    const other = clientOf(await serverOf((call) => call.begin().end(answer("Hi"))))
    const { pieces, abort, run } = startStream(llm)
    const length = () => pieces.join("").length
    // The timer starts when the flood has to wait, and stops when it reads.
    const waits = async (times: number) => {
      while (timer.intervals.length < times) await nextTurn()
    }
    await waits(1)
    expect(length()).toBeLessThanOrEqual((256 + 64) * 1024)
    for (let step = 1; step <= 20; step++) {
      const before = length()
      if (step % 10 === 0) {
        for (let turn = 0; turn < 5; turn++) expect((await runModel(other)).text).toBe("Hi")
        expect(length()).toBe(before)
      }
      timer.step()
      await waits(step + 1)
      expect(length() - before).toBeLessThanOrEqual(stepMaxLength)
    }
    const reason = new Error("enough")
    abort.abort(reason)
    expect((await run).error).toBe(reason)
    await Promise.all([llm.close(), other.close()])
  })
})

describe("what is parsed before others have their turn is bounded, whatever has arrived", () => {
  const event = text("x".repeat(1000))
  const eventsOf = (count: number) => event.repeat(count) + finish() + done

  test("in long chunks", async () => {
    const run = await turnsOf(await serverOf((call) => call.begin().end(eventsOf(500))))
    expect(run.text).toHaveLength(500_000)
    expect(Math.max(...run.turns)).toBeLessThanOrEqual(64 * 1024)
  })

  test("in chunks of a byte, which are costly, to less", async () => {
    const baseUrl = await serverOf((call) => {
      call.begin().writeRaw(inTinyChunks(eventsOf(100)))
      call.end()
    })
    const run = await turnsOf(baseUrl)
    expect(run.text).toHaveLength(100_000)
    // What the chunks are like shows in the first read; one of the later ones is shorter than an event.
    expect(Math.max(...run.turns.slice(1))).toBeLessThanOrEqual(1000)
  })
})
