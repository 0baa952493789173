import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"

/** What one request is answered with; it writes at the test's own pace. */
export type Answer = (say: (text: string) => void) => void | Promise<void>

/** A model server on loopback, in the OpenAI streaming format, whose answers a test gives one by one. */
export class ScriptedModel {
  /** How often it was asked so far, answered or not. */
  asked = 0
  readonly #answers: Answer[] = []
  readonly #server = createServer((_, response) => void this.#answer(response))

  static async start(): Promise<ScriptedModel> {
    const model = new ScriptedModel()
    model.#server.listen(0, "127.0.0.1")
    await once(model.#server, "listening")
    return model
  }

  /** With its version: what `OPENAI_BASE_URL` takes. */
  get baseUrl(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}/v1`
  }

  /** The answer to the next request that has none yet. A request without an answer is refused. */
  next(answer: Answer | string): void {
    this.#answers.push(typeof answer === "string" ? (say) => say(answer) : answer)
  }

  /** The answer to the next request that has none yet: it stands still after its first words, until it is let go. */
  held(first: string, rest: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.next(async (say) => {
      say(first)
      await promise
      say(rest)
    })
    return resolve
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, "close")
  }

  async #answer(response: ServerResponse): Promise<void> {
    this.asked++
    const answer = this.#answers.shift()
    if (answer === undefined) {
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":{"message":"no answer scripted"}}')
      return
    }
    response.writeHead(200, { "content-type": "text/event-stream" })
    await answer((text) => send(response, { content: text }, null))
    send(response, {}, "stop")
    response.end("data: [DONE]\n\n")
  }
}

function send(response: ServerResponse, delta: { content?: string }, finish_reason: string | null): void {
  const chunk = {
    id: "x",
    object: "chat.completion.chunk",
    model: "scripted",
    choices: [{ index: 0, delta, finish_reason }],
  }
  response.write(`data: ${JSON.stringify(chunk)}\n\n`)
}
