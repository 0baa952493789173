import { EventEmitter, once } from "node:events"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import { setImmediate as nextTurn } from "node:timers/promises"

/** One call of a model server: what was asked, and every way to answer it badly. */
export class ModelCall {
  readonly headers: IncomingHttpHeaders
  readonly url: string
  /** The request's body as JSON. */
  readonly body: unknown
  /** Resolves with the time (of `performance.now()`) when the exchange was over: answered, or the client hung up. */
  readonly closed: Promise<number>
  /** Whether the client hung up before the answer was over. */
  clientHungUp = false
  readonly #response: ServerResponse

  constructor(request: IncomingMessage, body: unknown, response: ServerResponse) {
    this.headers = request.headers
    this.url = request.url ?? ""
    this.body = body
    this.#response = response
    this.closed = once(response, "close").then(() => {
      this.clientHungUp = !response.writableFinished
      return performance.now()
    })
  }

  /** Sends the head; an event stream's, unless told otherwise. */
  begin(status = 200, headers: Record<string, string> = { "content-type": "text/event-stream" }): this {
    this.#response.writeHead(status, headers)
    this.#response.flushHeaders()
    return this
  }

  /** Resolves when the bytes were handed to the kernel; false when the client is gone. */
  async write(bytes: string | Uint8Array): Promise<boolean> {
    if (this.#response.destroyed) return false
    return await new Promise((resolve) => {
      this.#response.write(bytes, (error) => resolve(error === null || error === undefined))
    })
  }

  /** Each byte in a write, and as far as the kernel lets it a packet, of its own. */
  async writeByteByByte(bytes: Uint8Array): Promise<void> {
    this.#response.socket?.setNoDelay(true)
    for (const byte of bytes) {
      await this.write(Uint8Array.of(byte))
      await nextTurn()
    }
  }

  end(bytes = ""): void {
    this.#response.end(bytes)
  }

  /** Head, body and end of a response in one go. */
  respond(status: number, headers: Record<string, string>, body: string | Uint8Array): void {
    this.#response.writeHead(status, headers).end(body)
  }

  /** Ends the connection in the middle of the response (FIN). */
  cut(): void {
    this.#response.socket?.destroySoon()
  }

  /** Breaks the connection (RST). */
  reset(): void {
    this.#response.socket?.resetAndDestroy()
  }

  /** Bytes on the wire past HTTP, for malformed HTTP. */
  writeRaw(bytes: string | Uint8Array): void {
    this.#response.socket?.write(bytes)
  }
}

export interface ModelServer {
  readonly baseUrl: string
  /** In order of arrival. */
  readonly calls: readonly ModelCall[]
  /** Connections that were ever opened. */
  readonly connections: number
  /** Resolves when so many calls have arrived. */
  called(times: number): Promise<void>
  close(): Promise<void>
}

/** A model server on the loopback interface that answers each call, in order of arrival from 0, as `answer` does. */
export async function startModelServer(
  answer: (call: ModelCall, index: number) => void | Promise<void>,
): Promise<ModelServer> {
  const calls: ModelCall[] = []
  const arrivals = new EventEmitter().setMaxListeners(0)
  let connections = 0
  const server = createServer((request, response) => {
    void (async () => {
      const call = new ModelCall(request, await readJson(request), response)
      const index = calls.push(call) - 1
      arrivals.emit("call")
      await answer(call, index)
    })().catch(() => response.destroy())
  })
  server.on("connection", () => connections++)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The model server has no port.")
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    calls,
    get connections() {
      return connections
    },
    async called(times) {
      while (calls.length < times) await once(arrivals, "call")
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    },
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString("utf8"))
}
