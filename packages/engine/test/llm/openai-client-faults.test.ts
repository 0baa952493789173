import { createServer } from "node:net"
import { inspect } from "node:util"
import { once } from "node:events"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { ReplyFailure } from "../../src/core/errors.ts"
import { apiKey, clientOf, promptText, runModel } from "../support/model-run.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { chunk, event, finish, role, text } from "../support/model-stream.ts"

type Fault = (call: ModelCall) => void | Promise<void>

/** What a provider might say about a request: everything that must not get into a log. */
const echo = `Incorrect API key provided: ${apiKey}. Prompt: ${promptText}.`
const json = { "content-type": "application/json" }

function refuse(status: number, error: Record<string, unknown> = {}, headers: Record<string, string> = {}): Fault {
  return (call) => call.respond(status, { ...json, ...headers }, JSON.stringify({ error: { message: echo, ...error } }))
}

function streamed(...events: string[]): Fault {
  return (call) => call.begin().end(role + text("so far") + events.join(""))
}

let server: ModelServer
let fault: Fault

beforeAll(async () => {
  server = await startModelServer((call) => fault(call))
})
afterAll(() => server.close())

async function run(llm = clientOf(server.baseUrl)) {
  const outcome = await runModel(llm)
  await llm.close()
  expect(outcome.error).toBeInstanceOf(ReplyFailure)
  const said = inspect(outcome.error, { depth: null, showHidden: true })
  expect(said).not.toContain(apiKey)
  expect(said).not.toContain(promptText)
  expect(outcome.result).toBeNull()
  return outcome
}

describe("a provider that refuses", () => {
  test.each<[string, Fault, string, boolean]>([
    ["301", (call) => call.respond(301, { location: `${server.baseUrl}/elsewhere` }, ""), "model_unavailable", false],
    ["400", refuse(400), "model_refused", false],
    ["400 for the content", refuse(400, { code: "content_filter" }), "model_refused", false],
    ["400 for the length", refuse(400, { code: "context_length_exceeded" }), "model_refused", false],
    ["401", refuse(401, { code: "invalid_api_key" }), "model_unavailable", false],
    ["403", refuse(403), "model_unavailable", false],
    ["404", refuse(404), "model_unavailable", false],
    ["408", refuse(408), "model_unavailable", true],
    ["422", refuse(422), "model_refused", false],
    ["429", refuse(429, { type: "requests", code: "rate_limit_exceeded" }), "model_unavailable", true],
    ["429 for good", refuse(429, { code: "insufficient_quota" }), "model_unavailable", false],
    ["500", refuse(500), "model_unavailable", true],
    [
      "502 with a page",
      (call) => call.respond(502, { "content-type": "text/html" }, `<h1>${echo}</h1>`),
      "model_unavailable",
      true,
    ],
    ["503 without a body", (call) => call.respond(503, {}, ""), "model_unavailable", true],
    [
      "500 with 10 MB",
      (call) => call.respond(500, json, Buffer.alloc(10 * 1024 * 1024, 120)),
      "model_unavailable",
      true,
    ],
    ["a body that does not end", (call) => void call.begin(500, json).write("{"), "model_unavailable", true],
    [
      "a body that is cut",
      async (call) => {
        await call.begin(500, json).write("{")
        call.reset()
      },
      "model_unavailable",
      true,
    ],
    ["204", (call) => call.respond(204, {}, ""), "model_unavailable", false],
  ])("with %s", async (_, how, code, transient) => {
    fault = how
    const before = server.calls.length
    const { error, pieces } = await run()
    expect(error).toMatchObject({ code, transient })
    expect(pieces).toEqual([])
    expect(server.calls.length - before).toBe(1)
  })

  test.each([
    ["seconds", { "retry-after": "7" }, 7000],
    ["a date", { "retry-after": "Sun, 01 Nov 2026 13:00:09 GMT", date: "Sun, 01 Nov 2026 13:00:00 GMT" }, 9000],
  ])("says in %s when to come back", async (_, headers, retryAfterMs) => {
    fault = refuse(429, {}, headers)
    expect((await run()).error).toMatchObject({ code: "model_unavailable", retryAfterMs })
  })
})

describe("a provider that answers with something else", () => {
  test.each<[string, Fault, string]>([
    ["a page", (call) => call.respond(200, { "content-type": "text/html" }, `<html>${echo}</html>`), "model_invalid"],
    ["a page called a stream", (call) => call.begin().end(`<html>\n${echo}\n</html>\n`), "model_invalid"],
    [
      "a JSON document",
      (call) => call.respond(200, json, JSON.stringify({ choices: [{ message: { content: "Hi" } }] })),
      "model_invalid",
    ],
    ["an error in a JSON document", refuse(200, { code: "server_error" }), "model_unavailable"],
    ["an error in a JSON document, for the content", refuse(200, { code: "content_filter" }), "model_refused"],
    ["an empty body", (call) => call.begin().end(), "model_unavailable"],
    [
      "no HTTP",
      (call) => {
        call.writeRaw("SSH-2.0-OpenSSH_9.9\r\n\r\n")
      },
      "model_invalid",
    ],
    ["nothing but a closed connection", (call) => call.cut(), "model_unavailable"],
    ["nothing but a broken connection", (call) => call.reset(), "model_unavailable"],
    ["an answer without text", (call) => call.begin().end(role + finish()), "model_invalid"],
  ])("%s", async (_, how, code) => {
    fault = how
    const { error, pieces } = await run()
    expect(error).toMatchObject({ code })
    expect(pieces).toEqual([])
  })
})

describe("a stream that goes wrong keeps the text so far", () => {
  test.each<[string, Fault, string]>([
    ["cut without a finish reason", streamed(), "model_unavailable"],
    ["cut in the middle of a line", streamed(text(" more").slice(0, 30)), "model_invalid"],
    [
      "closed",
      async (call) => {
        await call.begin().write(text("so far"))
        call.cut()
      },
      "model_unavailable",
    ],
    [
      "broken",
      async (call) => {
        await call.begin().write(text("so far"))
        call.reset()
      },
      "model_unavailable",
    ],
    ["malformed JSON", streamed(event(`{"choices": ${echo}`)), "model_invalid"],
    ["an error object", streamed(event({ error: { message: echo } })), "model_unavailable"],
    [
      "an error object about the content",
      streamed(event({ error: { message: echo, code: "content_filter" } })),
      "model_refused",
    ],
    ["content_filter", streamed(finish("content_filter")), "model_refused"],
    ["tool calls", streamed(chunk({ tool_calls: [{ index: 0 }] }), finish("tool_calls")), "model_invalid"],
    ["a refusal", streamed(chunk({ refusal: echo }), finish()), "model_refused"],
    ["a 10 MB line", streamed(`data: "${"x".repeat(10 * 1024 * 1024)}"\n\n`), "model_invalid"],
    ["10 MB of text", streamed(...Array.from({ length: 1280 }, () => text("x".repeat(8192)))), "model_invalid"],
    [
      "malformed chunks of HTTP",
      async (call) => {
        await call.begin().write(text("so far"))
        call.writeRaw("zzz\r\n")
      },
      "model_invalid",
    ],
  ])("%s", async (_, how, code) => {
    fault = how
    const outcome = await run()
    expect(outcome.error).toMatchObject({ code })
    expect(outcome.text.replace(/x+$/, "")).toBe("so far")
  })

  test("and hangs up", async () => {
    fault = async (call) => {
      await call.begin().write(text("so far") + event("{oops"))
    }
    const { error } = await run()
    expect(error).toMatchObject({ code: "model_invalid" })
    const call = server.calls.at(-1)
    await call?.closed
    expect(call?.clientHungUp).toBe(true)
  })
})

describe("a provider that is not there", () => {
  test("because nothing listens", async () => {
    const listener = createServer().listen(0, "127.0.0.1")
    await once(listener, "listening")
    const address = listener.address()
    listener.close()
    await once(listener, "close")
    const port = typeof address === "object" ? address?.port : 0
    const { error } = await run(clientOf(`http://127.0.0.1:${port}/v1`))
    expect(error).toMatchObject({
      code: "model_unavailable",
      transient: true,
      message: expect.stringContaining("ECONNREFUSED"),
    })
  })

  test("because its name does not resolve", async () => {
    const { error } = await run(clientOf("http://model.invalid/v1"))
    expect(error).toMatchObject({ code: "model_unavailable", transient: true })
  })
})

test("a reader of the text that throws ends the call with what it threw", async () => {
  fault = async (call) => {
    await call.begin().write(text("so far"))
  }
  const llm = clientOf(server.baseUrl)
  const bug = new TypeError("bug")
  const { error } = await runModel(llm, {
    onText: () => {
      throw bug
    },
  })
  expect(error).toBe(bug)
  await server.calls.at(-1)?.closed
  await llm.close()
})
