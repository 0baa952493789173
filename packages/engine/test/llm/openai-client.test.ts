import { gzipSync } from "node:zlib"
import { afterEach, describe, expect, test } from "vitest"
import { openaiClient } from "../../src/llm/openai-client.ts"
import { apiKey, clientOf, type ModelClient, promptText, runModel } from "../support/model-run.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { answer, done, finish, role, text, usage } from "../support/model-stream.ts"

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function start(respond: (call: ModelCall, index: number) => void | Promise<void>): Promise<ModelServer> {
  const server = await startModelServer(respond)
  closers.push(() => server.close())
  return server
}

function client(baseUrl: string, options: Parameters<typeof clientOf>[1] = {}): ModelClient {
  const llm = clientOf(baseUrl, options)
  closers.unshift(() => llm.close())
  return llm
}

describe("the request", () => {
  test("is a streamed chat completion with usage, under the key", async () => {
    const server = await start((call) => call.begin().end(answer("Hi")))
    await runModel(client(server.baseUrl))
    const [call] = server.calls
    expect(call?.url).toBe("/v1/chat/completions")
    expect(call?.headers).toMatchObject({ authorization: `Bearer ${apiKey}`, "content-type": "application/json" })
    expect(call?.body).toEqual({
      model: "gpt-4.1-2025-04-14",
      messages: [
        { role: "system", content: "You are Grizz." },
        { role: "user", content: promptText },
      ],
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  test("has no authorization without a key, and keeps the base URL's query", async () => {
    const server = await start((call) => call.begin().end(answer("Hi")))
    await runModel(client(`${server.baseUrl}/?api-version=7`, { apiKey: undefined }))
    expect(server.calls[0]?.url).toBe("/v1/chat/completions?api-version=7")
    expect(server.calls[0]?.headers.authorization).toBeUndefined()
  })

  test.each([
    ["no URL", "not a url", apiKey],
    ["another protocol", "ftp://127.0.0.1/v1", apiKey],
    ["a password in the URL", `http://user:${apiKey}@127.0.0.1/v1`, undefined],
    ["a key with a line feed", "http://127.0.0.1/v1", `${apiKey}\n`],
    ["an empty key", "http://127.0.0.1/v1", ""],
  ])("cannot be made with %s, which is said without the key", (_, baseUrl, key) => {
    const timeouts = { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 }
    const make = () => openaiClient({ baseUrl, apiKey: key, model: "m", timeouts })
    expect(make).toThrow(/^The model's (base URL|API key) .*\.$/)
    expect(make).not.toThrow(apiKey)
  })
})

describe("an answer", () => {
  test("is given in order, with its usage and the model's name", async () => {
    const server = await start((call) => call.begin().end(answer("Hello", ", ", "wörld 🐻")))
    const run = await runModel(client(server.baseUrl))
    expect(run.text).toBe("Hello, wörld 🐻")
    expect(run.result).toEqual({
      finishReason: "stop",
      usage: { inputTokens: 12, outputTokens: 3 },
      model: "gpt-4.1-2025-04-14",
    })
  })

  test("in one read leaves no timer behind", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
    const server = await start((call) => call.begin().end(answer("all ", "of it")))
    const one = client(server.baseUrl)
    const before = timers()
    for (let time = 0; time < 5; time += 1) await runModel(one)
    await expect.poll(timers).toBeLessThan(before + 3)
  })

  test("in one read is given at once", async () => {
    const server = await start((call) => call.begin().end(answer(..."The quick brown bear".split(" "))))
    expect((await runModel(client(server.baseUrl))).pieces).toEqual(["Thequickbrownbear"])
  })

  test("is given before it is over", async () => {
    const heard = Promise.withResolvers<void>()
    const server = await start(async (call) => {
      await call.begin().write(role + text("first"))
      await heard.promise
      call.end(text(" second") + finish() + done)
    })
    const run = await runModel(client(server.baseUrl), { onText: () => heard.resolve() })
    expect(run.pieces).toEqual(["first", " second"])
  })

  test("one byte at a time is the same", async () => {
    const said = "Grüß dich 🐻‍❄️ 漢"
    const server = await start(async (call) => {
      await call.begin().writeByteByByte(Buffer.from(text(said) + finish() + done))
      call.end()
    })
    const run = await runModel(client(server.baseUrl))
    expect(run.text).toBe(said)
    expect(run.pieces.every((piece) => piece !== "" && piece.isWellFormed())).toBe(true)
  })

  test("whose last character lacks its other half ends in U+FFFD", async () => {
    const half = text("@").replace("@", "a\\ud83d")
    const server = await start((call) => call.begin().end(half + finish() + done))
    expect((await runModel(client(server.baseUrl))).text).toBe("a\uFFFD")
  })

  test.each([
    ["without a content type", {}],
    ["called plain text", { "content-type": "text/plain" }],
    ["of another charset's name", { "content-type": "text/event-stream;charset=UTF-8" }],
  ])("%s is read by its lines", async (_, headers) => {
    const server = await start((call) => call.begin(200, headers).end(answer("Hi")))
    expect((await runModel(client(server.baseUrl))).text).toBe("Hi")
  })

  test("is over a second after its finish reason, where neither usage nor an end comes", async () => {
    const server = await start(async (call) => {
      await call.begin().write(text("Hi") + finish())
    })
    const started = performance.now()
    const run = await runModel(client(server.baseUrl))
    expect(run.result).toMatchObject({ finishReason: "stop", usage: null })
    expect(performance.now() - started).toBeLessThan(20_000)
    await server.calls[0]?.closed
    expect(server.calls[0]?.clientHungUp).toBe(true)
  })

  test("takes the usage that comes after its finish reason", async () => {
    const server = await start(async (call) => {
      await call.begin().write(text("Hi") + finish())
      call.end(usage(5, 6))
    })
    expect((await runModel(client(server.baseUrl))).result?.usage).toEqual({ inputTokens: 5, outputTokens: 6 })
  })

  test("stays whole when its connection breaks after the finish reason", async () => {
    const server = await start(async (call) => {
      await call.begin().write(text("Hi") + finish("length"))
      call.reset()
    })
    expect((await runModel(client(server.baseUrl))).result?.finishReason).toBe("length")
  })

  test("may be exactly as long as the limit, and no byte longer", async () => {
    const server = await start((call) => call.begin().end(answer("é".repeat(500))))
    expect((await runModel(client(server.baseUrl, { maxReplyBytes: 1000 }))).result).not.toBeNull()
    const { error } = await runModel(client(server.baseUrl, { maxReplyBytes: 999 }))
    expect(error).toMatchObject({ code: "model_invalid" })
  })

  test("that is compressed, which was not asked for, is refused though it goes on", async () => {
    const server = await start((call) => {
      const headers = { "content-type": "text/event-stream", "content-encoding": "gzip" }
      void call.begin(200, headers).write(gzipSync(text("Hi")))
    })
    expect((await runModel(client(server.baseUrl))).error).toMatchObject({ code: "model_invalid" })
  })
})

describe("connections", () => {
  test("are used again, one after another", async () => {
    const server = await start((call) => call.begin().end(answer("Hi")))
    const llm = client(server.baseUrl)
    for (let turn = 0; turn < 10; turn++) expect((await runModel(llm)).text).toBe("Hi")
    // Two, where a call begins in the moment between the text of the last answer and the end of its response.
    expect(server.connections).toBeLessThanOrEqual(2)
  })

  test("carry many answers at the same time, none mixed with another", async () => {
    const server = await start(async (call, index) => {
      await call.begin().write(text(`${index}:`))
      await server.called(100)
      call.end(text(String(index)) + finish() + done)
    })
    const llm = client(server.baseUrl)
    const runs = await Promise.all(Array.from({ length: 100 }, () => runModel(llm)))
    const texts = runs.map((run) => run.text)
    expect(texts.toSorted()).toEqual(Array.from({ length: 100 }, (_, n) => `${n}:${n}`).toSorted())
  })

  test("end with the client, and the calls on them fail", async () => {
    const server = await start((call) => void call.begin().write(text("Hi")))
    const llm = client(server.baseUrl)
    const run = await runModel(llm, { onText: () => void llm.close() })
    expect(run.error).toMatchObject({ code: "model_unavailable" })
    expect((await runModel(llm)).error).toMatchObject({ code: "model_unavailable" })
  })
})
