import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { setTimeout as wait } from "node:timers/promises"
import * as z from "zod"
import type { ModelMessage } from "../ports.ts"
import { offlineAnswer, tokensOf } from "./offline-answer.ts"
import { OfflineResponse, offlineModelName, sendError, sendJson } from "./offline-response.ts"

/** One thing that the offline model does when a script says so. */
export type OfflineStep =
  | { text: string }
  /** Waits so many ms. */
  | { delayMs: number }
  /** Ends the answer; without it, a script that runs out ends with `stop`. */
  | { finish: "stop" | "length" | "content_filter" | "tool_calls" }
  /** Breaks the connection. */
  | { cut: true }
  /** Answers with this HTTP status instead; only as the first step. */
  | { status: number; retryAfterSeconds?: number }

export interface OfflineRequest {
  model: string
  messages: readonly ModelMessage[]
  /** Aborted when the client goes away before the answer is over. */
  signal: AbortSignal
}

/** What to do with one request; null for the ordinary answer. An async generator can await between its steps. */
export type OfflineScript = (request: OfflineRequest) => AsyncIterable<OfflineStep> | Iterable<OfflineStep> | null

export interface OfflineModelOptions {
  /** 18, a human pace, by default; `Infinity` gives the answer at once. */
  tokensPerSecond?: number
  /** For tests: takes the place of the prepared answers. */
  script?: OfflineScript
}

export interface OfflineModel {
  /** With its version: what `OPENAI_BASE_URL` would be. */
  readonly baseUrl: string
  /** Breaks the answers that are still being given. */
  close(): Promise<void>
}

const requestBody = z.object({
  model: z.string().default(offlineModelName),
  messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
})

const requestMaxBytes = 8 * 1024 * 1024

/**
 * A stand-in for a model: speaks the OpenAI chat-completions format over HTTP on the loopback interface, so that the
 * engine talks to it by the same code as to a real one, and says in every answer that it is none.
 */
export async function startOfflineModel(options: OfflineModelOptions = {}): Promise<OfflineModel> {
  const script = options.script ?? (() => null)
  const tokensPerSecond = options.tokensPerSecond ?? 18
  const server = createServer((request, response) => {
    serve(request, response, (asked) => script(asked) ?? ordinaryAnswer(asked, tokensPerSecond)).catch(() => {
      // A client that hung up, or a script of a test that threw: either way there is nobody to tell but the connection.
      response.destroy()
    })
  })
  await listen(server)
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The offline model has no port.")
  return { baseUrl: `http://127.0.0.1:${address.port}/v1`, close: () => close(server) }
}

async function* ordinaryAnswer(asked: OfflineRequest, tokensPerSecond: number): AsyncGenerator<OfflineStep> {
  for (const text of tokensOf(offlineAnswer(asked.messages))) {
    if (Number.isFinite(tokensPerSecond)) yield { delayMs: 1000 / tokensPerSecond }
    yield { text }
  }
}

type Answer = (asked: OfflineRequest) => AsyncIterable<OfflineStep> | Iterable<OfflineStep>

async function serve(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  const path = request.url?.split("?")[0]
  if (request.method === "GET" && path === "/v1/models") {
    return sendJson(response, 200, {
      object: "list",
      data: [{ id: offlineModelName, object: "model", created: 0, owned_by: "grizz" }],
    })
  }
  if (request.method !== "POST" || path !== "/v1/chat/completions") {
    return sendError(
      response,
      404,
      "invalid_request_error",
      "The offline model serves /v1/models and /v1/chat/completions.",
    )
  }
  const parsed = requestBody.safeParse(await readJson(request))
  if (!parsed.success) return sendError(response, 400, "invalid_request_error", "This is no chat completion request.")
  const { model, messages, stream, stream_options } = parsed.data
  const gone = new AbortController()
  response.once("close", () => gone.abort())
  const output = new OfflineResponse(response, {
    stream: stream === true,
    usage: stream_options?.include_usage === true,
    messages,
  })
  await follow(answer({ model, messages, signal: gone.signal }), output, gone.signal)
}

async function follow(
  steps: AsyncIterable<OfflineStep> | Iterable<OfflineStep>,
  output: OfflineResponse,
  signal: AbortSignal,
): Promise<void> {
  for await (const step of steps) {
    if (signal.aborted) return
    if ("text" in step) await output.text(step.text, signal)
    else if ("delayMs" in step) await wait(step.delayMs, undefined, { signal })
    else if ("finish" in step) return output.finish(step.finish)
    else if ("cut" in step) return output.cut()
    else return output.refuse(step.status, step.retryAfterSeconds)
  }
  if (!signal.aborted) output.finish("stop")
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    bytes += chunk.length
    if (bytes > requestMaxBytes) return null
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"))
  } catch {
    // Refused below, like any other body that is no request.
    return null
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    // A worker would otherwise share the port, and answer for the others.
    server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, () => resolve())
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
