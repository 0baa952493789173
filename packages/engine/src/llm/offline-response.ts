import { createHash } from "node:crypto"
import { once } from "node:events"
import type { ServerResponse } from "node:http"
import type { ModelMessage } from "../ports.ts"
import { tokensOf } from "./offline-answer.ts"

export const offlineModelName = "grizz-offline-1"

export interface OfflineResponseOptions {
  /** As events; otherwise one JSON document at the end. */
  stream: boolean
  /** Whether a stream ends with a chunk of token counts. */
  usage: boolean
  messages: readonly ModelMessage[]
}

/** One answer of the offline model, in the format of OpenAI's chat completions. */
export class OfflineResponse {
  readonly #response: ServerResponse
  readonly #options: OfflineResponseOptions
  readonly #id: string
  readonly #created = Math.floor(Date.now() / 1000)
  #text = ""

  constructor(response: ServerResponse, options: OfflineResponseOptions) {
    this.#response = response
    this.#options = options
    const digest = createHash("sha256").update(JSON.stringify(options.messages)).digest("hex")
    this.#id = `chatcmpl-offline-${digest.slice(0, 24)}`
  }

  /** Resolves when the client has room for more. */
  async text(text: string, signal: AbortSignal): Promise<void> {
    this.#begin()
    this.#text += text
    if (!this.#options.stream) return
    const hasRoom = this.#send(this.#chunk({ content: text }, null))
    if (!hasRoom) await once(this.#response, "drain", { signal })
  }

  finish(reason: string): void {
    this.#begin()
    if (!this.#options.stream) return sendJson(this.#response, 200, this.#document(reason))
    this.#send(this.#chunk({}, reason))
    if (this.#options.usage)
      this.#send({ ...this.#envelope("chat.completion.chunk"), choices: [], usage: this.#usage() })
    this.#response.end("data: [DONE]\n\n")
  }

  /** Breaks the connection, after what was said so far is on its way. */
  cut(): void {
    this.#response.socket?.destroySoon()
  }

  refuse(status: number, retryAfterSeconds: number | undefined): void {
    if (retryAfterSeconds !== undefined) this.#response.setHeader("retry-after", String(retryAfterSeconds))
    sendError(this.#response, status, "scripted", "The offline model was told to refuse.")
  }

  #begin(): void {
    if (!this.#options.stream || this.#response.headersSent) return
    this.#response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" })
    this.#send(this.#chunk({ role: "assistant", content: "" }, null))
  }

  #send(data: unknown): boolean {
    return this.#response.write(`data: ${JSON.stringify(data)}\n\n`)
  }

  #chunk(delta: unknown, finishReason: string | null): unknown {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason }
    return { ...this.#envelope("chat.completion.chunk"), choices: [choice] }
  }

  #document(finishReason: string): unknown {
    const message = { role: "assistant", content: this.#text, refusal: null }
    const choice = { index: 0, message, logprobs: null, finish_reason: finishReason }
    return { ...this.#envelope("chat.completion"), choices: [choice], usage: this.#usage() }
  }

  #envelope(object: string) {
    return { id: this.#id, object, created: this.#created, model: offlineModelName, system_fingerprint: null }
  }

  #usage() {
    const prompt = this.#options.messages.reduce((sum, { content }) => sum + tokensOf(content).length, 0)
    const completion = tokensOf(this.#text).length
    return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const json = JSON.stringify(body)
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(json) })
    .end(json)
}

export function sendError(response: ServerResponse, status: number, type: string, message: string): void {
  sendJson(response, status, { error: { message, type, param: null, code: null } })
}
