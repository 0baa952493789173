import { setImmediate as nextTurn } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import type { OpenAiClientOptions } from "../../src/llm/openai-client.ts"
import { clientOf, type ModelClient, runModel } from "../support/model-run.ts"
import { type ModelServer, startModelServer } from "../support/model-server.ts"
import { answer, done, finish, text, usage } from "../support/model-stream.ts"
import { ManualTimer, type Stream, startStream, stepsPerHold } from "./streams.ts"

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

class Stage {
  readonly timer = new ManualTimer()
  readonly server: ModelServer
  readonly llm: ModelClient
  streams: Stream[] = []
  /** What the server waits for between the head of its answer and the first text. */
  beforeText: () => Promise<void> = async () => {}
  /** Another model's client, which holds nothing. */
  readonly fence: ModelClient

  static async open(options: Partial<OpenAiClientOptions> = {}): Promise<Stage> {
    // Each call says the first text, and more as the test wants.
    const server = await startModelServer(async (call) => {
      call.begin()
      await stage.beforeText()
      await call.write(text("a"))
    })
    const fenceServer = await startModelServer((call) => call.begin().end(answer("a")))
    const stage = new Stage(server, fenceServer.baseUrl, options)
    const { llm, fence } = stage
    for (const part of [llm, fence, server, fenceServer]) closers.push(() => part.close())
    return stage
  }

  private constructor(server: ModelServer, fenceUrl: string, options: Partial<OpenAiClientOptions>) {
    this.server = server
    this.llm = clientOf(server.baseUrl, { every: this.timer.every, ...options })
    this.fence = clientOf(fenceUrl, { maxHoldMs: 0 })
  }

  /** Adds answers, all of which have given their first text when it resolves. */
  async start(count: number): Promise<void> {
    const added = Array.from({ length: count }, () => startStream(this.llm))
    await Promise.all(added.map((stream) => stream.heard(1)))
    this.streams.push(...added)
  }

  /** Every answer goes on with this, and whatever is not held has been read. */
  async say(bytes: string): Promise<void> {
    await Promise.all(this.server.calls.map((call) => call.write(bytes)))
    await this.settle()
  }

  /** What was written before has been read, unless it is held, when later answers are here. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      expect((await runModel(this.fence)).text).toBe("a")
      await nextTurn()
    }
  }
}

const ending = finish() + usage(1, 4) + done

describe("while many answers come in", () => {
  test("text that arrives during a hold is given in one piece after it, and every text is whole", async () => {
    const stage = await Stage.open()
    await stage.start(110)
    // Those that began before there was a load read on once more.
    await stage.say(text("b"))
    const before = stage.streams.map(({ pieces }) => pieces.length)
    for (const more of ["c", "d", "e"]) await stage.say(text(more))
    expect(stage.streams.map(({ pieces }) => pieces.length)).toEqual(before)
    stage.timer.passHold()
    await Promise.all(stage.streams.map((stream) => stream.heard("abcde".length)))
    expect(stage.streams.map(({ pieces }) => pieces.length)).toEqual(before.map((count) => count + 1))
    await stage.say(ending)
    stage.timer.passHold()
    const runs = await Promise.all(stage.streams.map(({ run }) => run))
    expect(new Set(runs.map((run) => run.text))).toEqual(new Set(["abcde"]))
    expect(new Set(runs.map((run) => run.result?.usage?.outputTokens))).toEqual(new Set([4]))
  })

  test("a reply's first text is not held", async () => {
    const stage = await Stage.open()
    await stage.start(100)
    // The head is read alone.
    stage.beforeText = () => stage.settle()
    // No hold ends here: this resolves because none has begun.
    await stage.start(20)
    expect(stage.streams.map(({ pieces }) => pieces)).toEqual(stage.streams.map(() => ["a"]))
  })

  test("a whole answer's usage is not held", async () => {
    const stage = await Stage.open()
    await stage.start(60)
    await stage.say(text("b"))
    await stage.say(finish())
    stage.timer.passHold()
    await Promise.all(stage.streams.map((stream) => stream.heard(2)))
    await stage.settle()
    await stage.say(usage(1, 2) + done)
    for (const { run } of stage.streams) expect((await run).result?.usage?.outputTokens).toBe(2)
  })

  test("an abort reaches the provider during a hold", async () => {
    const stage = await Stage.open()
    await stage.start(60)
    await stage.say(text("b"))
    const reason = new Error("stopped by the user")
    const before = performance.now()
    for (const { abort } of stage.streams) abort.abort(reason)
    for (const { run } of stage.streams) expect((await run).error).toBe(reason)
    const closed = await Promise.all(stage.server.calls.map((call) => call.closed))
    expect(Math.max(...closed) - before).toBeLessThan(1000)
  })

  test("a provider that breaks off is noticed one hold later, with all that it had sent", async () => {
    const stage = await Stage.open()
    await stage.start(60)
    await stage.say(text("b"))
    await stage.say(text("c"))
    for (const call of stage.server.calls) call.cut()
    await stage.settle()
    stage.timer.passHold()
    await Promise.all(stage.streams.map((stream) => stream.heard(3)))
    stage.timer.passHold()
    const runs = await Promise.all(stage.streams.map(({ run }) => run))
    for (const run of runs) expect(run).toMatchObject({ text: "abc", error: { code: "model_unavailable" } })
  })

  test("the limits of time hold", async () => {
    const timeouts = { connectMs: 10_000, firstTokenMs: 10_000, idleMs: 200, totalMs: 10_000 }
    const stage = await Stage.open({ timeouts })
    await stage.start(60)
    // So that text which is there in time is read in time, a hold is short beside the limit.
    expect(stage.timer.intervals[0]! * stepsPerHold).toBeLessThan(timeouts.idleMs / 5)
    for (const { run } of stage.streams) expect((await run).error).toMatchObject({ code: "model_timeout" })
  })

  test("the end of the client ends them", async () => {
    const stage = await Stage.open()
    await stage.start(60)
    await stage.say(text("b"))
    await stage.llm.close()
    for (const { run } of stage.streams) expect((await run).error).toMatchObject({ code: "model_unavailable" })
    // What was held is gone, and nobody minds.
    stage.timer.passHold()
  })

  test("connections serve the next answers as before", async () => {
    const stage = await Stage.open()
    for (let round = 1; round <= 3; round++) {
      await stage.start(40)
      for (const call of stage.server.calls.slice(-40)) call.end(ending)
      await stage.settle()
      stage.timer.passHold()
      for (const { run } of stage.streams.splice(0)) expect((await run).text).toBe("a")
      await stage.settle()
    }
    expect(stage.server.connections).toBeLessThan(60)
  })
})

describe("nothing is held", () => {
  test.each<[string, number, Partial<OpenAiClientOptions>]>([
    ["of 25 answers", 25, {}],
    ["of a hundred when holds are off", 100, { maxHoldMs: 0 }],
  ])("%s", async (_, count, options) => {
    const stage = await Stage.open(options)
    await stage.start(count)
    for (const more of ["b", "c"]) await stage.say(text(more))
    expect(stage.streams.map(({ pieces }) => pieces)).toEqual(stage.streams.map(() => ["a", "b", "c"]))
    await stage.say(ending)
    for (const { run } of stage.streams) expect((await run).text).toBe("abc")
    expect(stage.timer.intervals).toEqual([])
  })

  test("once the load is over", async () => {
    const stage = await Stage.open()
    await stage.start(60)
    await stage.say(text("b"))
    for (const { abort } of stage.streams.splice(25)) abort.abort(new Error("over"))
    stage.timer.passHold()
    await Promise.all(stage.streams.map((stream) => stream.heard(2)))
    for (const more of ["c", "d"]) await stage.say(text(more))
    for (const { pieces } of stage.streams) expect(pieces.slice(-2)).toEqual(["c", "d"])
  })
})
