import { afterEach, describe, expect, test } from "vitest"
import {
  type OfflineModel,
  type OfflineModelOptions,
  type OfflineStep,
  startOfflineModel,
} from "../../src/llm/offline-model.ts"
import { withRetry } from "../../src/llm/with-retry.ts"
import { clientOf, type ModelClient, promptText, runModel } from "../support/model-run.ts"

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function start(options: OfflineModelOptions): Promise<{ offline: OfflineModel; llm: ModelClient }> {
  const offline = await startOfflineModel(options)
  const llm = clientOf(offline.baseUrl, { apiKey: undefined })
  closers.push(
    () => llm.close(),
    () => offline.close(),
  )
  return { offline, llm }
}

describe("the offline model", () => {
  test("answers the engine's own client, the same each time", async () => {
    const { llm } = await start({ tokensPerSecond: Infinity })
    const first = await runModel(llm)
    expect(first.result).toMatchObject({ finishReason: "stop", model: "grizz-offline-1" })
    expect(first.text).toContain("offline")
    expect(first.text).toContain(promptText)
    expect((await runModel(llm)).text).toBe(first.text)
  })

  test("speaks at its pace", async () => {
    const { llm } = await start({ tokensPerSecond: 500 })
    const started = performance.now()
    const run = await runModel(llm)
    const outputTokens = run.result?.usage?.outputTokens ?? 0
    expect(outputTokens).toBeGreaterThan(20)
    expect(run.pieces.length).toBeGreaterThan(outputTokens / 3)
    expect(performance.now() - started).toBeGreaterThan(outputTokens * 1.5)
  })

  test("takes its steps from a script, which can wait and sees the request", async () => {
    const heard = Promise.withResolvers<void>()
    async function* steps(): AsyncGenerator<OfflineStep> {
      yield { text: "first" }
      await heard.promise
      yield { delayMs: 1 }
      yield { text: " second" }
      yield { finish: "length" }
    }
    const asked: string[] = []
    const { llm } = await start({
      script: ({ messages }) => {
        asked.push(...messages.map(({ content }) => content))
        return steps()
      },
    })
    const run = await runModel(llm, { onText: () => heard.resolve() })
    expect(run.pieces).toEqual(["first", " second"])
    expect(run.result?.finishReason).toBe("length")
    expect(asked).toEqual(["You are Grizz.", promptText])
  })

  test("ends a script that runs out with stop, and answers as usual where there is none", async () => {
    const scripts: (OfflineStep[] | null)[] = [[{ text: "scripted" }], null]
    const { llm } = await start({ tokensPerSecond: Infinity, script: () => scripts.shift() ?? null })
    expect(await runModel(llm)).toMatchObject({ text: "scripted", result: { finishReason: "stop" } })
    expect((await runModel(llm)).text).toContain("offline")
  })

  test.each<[string, OfflineStep[], string, string]>([
    ["cut", [{ text: "so far" }, { cut: true }], "model_unavailable", "so far"],
    ["cut before the first text", [{ cut: true }], "model_unavailable", ""],
    ["refuse", [{ status: 400 }], "model_refused", ""],
    ["withhold", [{ text: "so far" }, { finish: "content_filter" }], "model_refused", "so far"],
    ["call a tool", [{ finish: "tool_calls" }], "model_invalid", ""],
  ])("can be told to %s", async (_, script, code, text) => {
    const { llm } = await start({ script: () => script })
    const run = await runModel(llm)
    expect(run.error).toMatchObject({ code })
    expect(run.text).toBe(text)
  })

  test("can be told to be busy, which a retry outlives", async () => {
    const scripts: OfflineStep[][] = [[{ status: 429, retryAfterSeconds: 0 }], [{ status: 503 }], [{ text: "Hi" }]]
    const { llm } = await start({ script: () => scripts.shift() ?? null })
    const delays: number[] = []
    const retrying = withRetry(llm, {
      attempts: 3,
      delayMs: 2,
      maxDelayMs: 4,
      onRetry: ({ delayMs }) => delays.push(delayMs),
    })
    expect(await runModel(retrying)).toMatchObject({ text: "Hi", error: null })
    expect(delays).toHaveLength(2)
  })

  test("stops when its client hangs up", async () => {
    const gone = Promise.withResolvers<string>()
    const { llm } = await start({
      script: async function* ({ signal }) {
        signal.addEventListener("abort", () => gone.resolve("gone"))
        yield { text: "first" }
        yield { delayMs: 60_000 }
      },
    })
    const abort = new AbortController()
    await runModel(llm, { signal: abort.signal, onText: () => abort.abort() })
    expect(await gone.promise).toBe("gone")
  })

  test("breaks its answers when it closes", async () => {
    const { offline, llm } = await start({ script: () => [{ text: "first" }, { delayMs: 60_000 }] })
    const run = await runModel(llm, { onText: () => void offline.close() })
    expect(run.error).toMatchObject({ code: "model_unavailable" })
  })
})
