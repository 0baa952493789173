import { afterEach, beforeEach, expect, test } from "vitest"
import { openaiEmbedder } from "../../src/llm/openai-embedder.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"

let server: ModelServer
let answer: (call: ModelCall) => void
const never = new AbortController().signal

beforeEach(async () => {
  server = await startModelServer((call) => answer(call))
})
afterEach(() => server.close())

const embedder = (timeoutMs = 10_000) =>
  openaiEmbedder({ baseUrl: server.baseUrl, apiKey: "sk-of-the-tests", model: "small", timeoutMs })

const json = (status: number, body: unknown) => (call: ModelCall) =>
  call.respond(status, { "content-type": "application/json" }, JSON.stringify(body))
const vectors = (...embeddings: unknown[]) =>
  json(200, { object: "list", model: "small", data: embeddings.map((embedding, index) => ({ index, embedding })) })

test("gives a vector of length 1 for each text, in their order, whatever the order of the answer", async () => {
  answer = json(200, {
    data: [
      { index: 1, embedding: [0, 5] },
      { index: 0, embedding: [3, 4] },
    ],
  })
  expect(await embedder().embed(["a", "b"], never)).toEqual([
    [0.6, 0.8],
    [0, 1],
  ])
  const [call] = server.calls
  expect(call!.url).toBe("/v1/embeddings")
  expect(call!.headers["authorization"]).toBe("Bearer sk-of-the-tests")
  expect(call!.body).toEqual({ model: "small", input: ["a", "b"], encoding_format: "float" })
})

test.each<[string, (call: ModelCall) => void]>([
  ["too few vectors", vectors([1, 0])],
  ["too many vectors", vectors([1, 0], [0, 1], [1, 1])],
  ["the same place twice", json(200, { data: [0, 0].map((index) => ({ index, embedding: [1] })) })],
  ["vectors of several dimensions", vectors([1, 0], [1])],
  ["a vector of nothing", vectors([], [])],
  ["a vector of zeros", vectors([0, 0], [1, 0])],
  ["what is no number", vectors(["1", null], [1, 0])],
  ["numbers beyond all measure", (call) => call.respond(200, jsonHead, '{"data":[{"index":0,"embedding":[1e999]}]}')],
  ["more dimensions than can be indexed", vectors(Array(4001).fill(1), Array(4001).fill(1))],
  ["another form", json(200, { vectors: [] })],
  ["no JSON", (call) => call.respond(200, jsonHead, "<html>")],
  ["nothing", (call) => call.reset()],
  ["a broken server", json(500, { error: "down" })],
  ["a refused key", json(401, { error: "key" })],
  ["a limit", json(429, { error: "slow down" })],
])("%s is `unavailable`, after one call", async (_, misbehave) => {
  answer = misbehave
  await expect(embedder().embed(["a", "b"], never)).rejects.toMatchObject({ code: "unavailable" })
  expect(server.calls).toHaveLength(1)
})

const jsonHead = { "content-type": "application/json" }

test.each([400, 413, 422])("texts that are refused (%i) are told from a server in trouble", async (status) => {
  answer = json(status, { error: { message: "too long" } })
  await expect(embedder().embed(["a"], never)).rejects.toMatchObject({ code: "invalid_request" })
})

test("an answer that does not come is given up after the time, and at once when nobody wants it", async () => {
  answer = () => undefined
  await expect(embedder(50).embed(["a"], never)).rejects.toMatchObject({ code: "unavailable" })
  answer = (call) => void call.begin(200, jsonHead).write('{"data":[')
  await expect(embedder(50).embed(["a"], never)).rejects.toMatchObject({ code: "unavailable" })
  const abort = new AbortController()
  const asked = embedder().embed(["a"], abort.signal)
  await server.called(3)
  abort.abort(new Error("no longer"))
  await expect(asked).rejects.toThrow("no longer")
  await server.calls[2]!.closed
})
