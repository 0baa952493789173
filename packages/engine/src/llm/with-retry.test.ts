import { describe, expect, test } from "vitest"
import type { LlmClient, ModelRequest, ModelResult } from "../ports.ts"
import { ModelFailure } from "./model-failure.ts"
import { type ModelRetry, type RetryOptions, withRetry } from "./with-retry.ts"

const result: ModelResult = { finishReason: "stop", usage: null, model: "m" }
const busy = new ModelFailure("model_unavailable", "busy", { transient: true })

/** A model that does these things, one a call, and counts the calls. */
function scripted(...steps: ((request: ModelRequest) => ModelResult)[]): LlmClient & { calls: number } {
  const llm = {
    calls: 0,
    async stream(request: ModelRequest): Promise<ModelResult> {
      const step = steps[llm.calls++]
      if (step === undefined) throw new Error("called too often")
      return step(request)
    },
  }
  return llm
}

function failing(error: unknown): () => ModelResult {
  return () => {
    throw error
  }
}

function answering(text: string): (request: ModelRequest) => ModelResult {
  return (request) => {
    request.onText(text)
    return result
  }
}

async function run(llm: LlmClient, options: Partial<RetryOptions> = {}, signal = new AbortController().signal) {
  const waits: number[] = []
  const retries: ModelRetry[] = []
  const pieces: string[] = []
  const retrying = withRetry(llm, {
    attempts: 3,
    delayMs: 100,
    maxDelayMs: 150,
    random: () => 1,
    wait: async (ms) => waits.push(ms),
    onRetry: (retry) => retries.push(retry),
    ...options,
  })
  const outcome = await retrying.stream({ messages: [], onText: (text) => pieces.push(text), signal }).then(
    (value) => ({ value, error: null }),
    (error: unknown) => ({ value: null, error }),
  )
  return { ...outcome, waits, retries, pieces }
}

describe("a call that failed", () => {
  test("is made again, after longer and longer waits, each reported", async () => {
    const { value, waits, retries, pieces } = await run(scripted(failing(busy), failing(busy), answering("hi")))
    expect(value).toBe(result)
    expect(pieces).toEqual(["hi"])
    expect(waits).toEqual([100, 150])
    expect(retries.map(({ attempt, delayMs, failure }) => [attempt, delayMs, failure.code])).toEqual([
      [1, 100, "model_unavailable"],
      [2, 150, "model_unavailable"],
    ])
  })

  test("is made so many times and no more", async () => {
    const llm = scripted(failing(busy), failing(busy), failing(busy), answering("late"))
    expect((await run(llm)).error).toBe(busy)
    expect(llm.calls).toBe(3)
  })

  test("is not made again once there was text", async () => {
    const llm = scripted((request) => {
      request.onText("some")
      throw busy
    }, answering("again"))
    const { error, pieces } = await run(llm)
    expect(error).toBe(busy)
    expect([llm.calls, pieces]).toEqual([1, ["some"]])
  })

  test.each([
    ["a refusal", new ModelFailure("model_refused", "no")],
    ["an answer that cannot be read", new ModelFailure("model_invalid", "what")],
    ["an error of another kind", new TypeError("bug")],
  ])("is not made again after %s", async (_, failure) => {
    const llm = scripted(failing(failure), answering("again"))
    expect((await run(llm)).error).toBe(failure)
    expect(llm.calls).toBe(1)
  })

  test("waits as long as the provider asked, and a little more", async () => {
    const limited = new ModelFailure("model_unavailable", "slow", { transient: true, retryAfterMs: 7000 })
    expect((await run(scripted(failing(limited), answering("hi")))).waits).toEqual([7100])
  })

  test("is not waited for when the provider asks for too long", async () => {
    const limited = new ModelFailure("model_unavailable", "slow", { transient: true, retryAfterMs: 20_001 })
    const llm = scripted(failing(limited), answering("hi"))
    const { error, waits } = await run(llm)
    expect(error).toBe(limited)
    expect([llm.calls, waits]).toEqual([1, []])
  })

  test("spreads its waits", async () => {
    const llm = scripted(failing(busy), failing(busy), answering("hi"))
    expect((await run(llm, { random: () => 0.5 })).waits).toEqual([50, 75])
  })

  test("is given up at once, for the signal's reason, when aborted during the wait", async () => {
    const abort = new AbortController()
    const reason = new Error("stopped")
    const llm = scripted(failing(busy), answering("hi"))
    const started = performance.now()
    const { error } = await runWithRealWait(llm, abort, reason)
    expect(error).toBe(reason)
    expect(llm.calls).toBe(1)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

function runWithRealWait(llm: LlmClient, abort: AbortController, reason: Error) {
  const retrying = withRetry(llm, {
    attempts: 2,
    delayMs: 60_000,
    maxDelayMs: 60_000,
    random: () => 1,
    onRetry: () => setImmediate(() => abort.abort(reason)),
  })
  return retrying.stream({ messages: [], onText: () => undefined, signal: abort.signal }).then(
    () => ({ error: null }),
    (error: unknown) => ({ error }),
  )
}
