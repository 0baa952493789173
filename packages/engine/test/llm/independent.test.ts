import { LLMock } from "@copilotkit/aimock"
import OpenAI from "openai"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { offlineAnswer } from "../../src/llm/offline-answer.ts"
import { type OfflineModel, startOfflineModel } from "../../src/llm/offline-model.ts"
import { apiKey, clientOf, promptText, runModel } from "../support/model-run.ts"

describe("the client, against an independent model server", () => {
  const said = 'Grüß dich! 🐻‍❄️ I remember:\n\n- “the lake”\n- C:\\temp\\"x"\n'
  let mock: LLMock

  beforeAll(async () => {
    mock = new LLMock({ port: 0 })
    mock.onMessage(promptText, { content: said }, { chunkSize: 3 })
    await mock.start()
  })
  afterAll(() => mock.stop())

  test("reads the whole answer, with its usage", async () => {
    const llm = clientOf(`${mock.url}/v1`)
    const run = await runModel(llm)
    await llm.close()
    expect(run.text).toBe(said)
    expect(run.result?.finishReason).toBe("stop")
    expect(run.result?.model).toMatch(/^gpt-4\.1/)
    expect(run.result?.usage?.inputTokens).toBeGreaterThan(0)
    expect(run.result?.usage?.outputTokens).toBeGreaterThan(0)
  })

  test.each([
    [429, "model_unavailable"],
    [500, "model_unavailable"],
    [400, "model_refused"],
  ])("tells its HTTP %i apart, and answers the next call", async (status, code) => {
    mock.nextRequestError(status, { message: apiKey })
    const llm = clientOf(`${mock.url}/v1`)
    expect((await runModel(llm)).error).toMatchObject({ code })
    expect((await runModel(llm)).text).toBe(said)
    await llm.close()
  })

  test("calls a stream that it cuts failed", async () => {
    const cutting = new LLMock({ port: 0 })
    cutting.onMessage(promptText, { content: said }, { chunkSize: 3, truncateAfterChunks: 4, latency: 5 })
    await cutting.start()
    const llm = clientOf(`${cutting.url}/v1`)
    const run = await runModel(llm)
    await llm.close()
    await cutting.stop()
    expect(run.error).toMatchObject({ code: "model_unavailable" })
    expect(run.text).not.toBe("")
    expect(said.startsWith(run.text)).toBe(true)
  })
})

describe("the offline model, asked by an independent client", () => {
  const messages = [{ role: "user" as const, content: "Hello there" }]
  let offline: OfflineModel
  let openai: OpenAI

  beforeAll(async () => {
    offline = await startOfflineModel({ tokensPerSecond: Infinity })
    openai = new OpenAI({ apiKey: "none", baseURL: offline.baseUrl, maxRetries: 0 })
  })
  afterAll(() => offline.close())

  test("streams its answer, a finish reason and usage", async () => {
    const stream = await openai.chat.completions.create({
      model: "any",
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await Array.fromAsync(stream)
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(offlineAnswer(messages))
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant")
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? [])).toEqual(["stop"])
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 2, completion_tokens: chunks.length - 3 },
    })
    expect(new Set(chunks.map((chunk) => chunk.model))).toEqual(new Set(["grizz-offline-1"]))
  })

  test("sends no usage that was not asked for", async () => {
    const chunks = await Array.fromAsync(await openai.chat.completions.create({ model: "any", messages, stream: true }))
    expect(chunks.every((chunk) => chunk.usage === undefined || chunk.usage === null)).toBe(true)
  })

  test("answers in one document, too", async () => {
    const completion = await openai.chat.completions.create({ model: "any", messages })
    expect(completion.choices[0]?.message.content).toBe(offlineAnswer(messages))
    expect(completion.choices[0]?.finish_reason).toBe("stop")
  })

  test("is in its own list of models", async () => {
    expect((await Array.fromAsync(openai.models.list())).map(({ id }) => id)).toEqual(["grizz-offline-1"])
  })

  test("refuses what is no request", async () => {
    await expect(openai.chat.completions.create({ model: "any", messages: [] })).rejects.toMatchObject({ status: 400 })
    await expect(openai.embeddings.create({ model: "any", input: "x" })).rejects.toMatchObject({ status: 404 })
  })
})
