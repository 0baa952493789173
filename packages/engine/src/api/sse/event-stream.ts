import type { ServerResponse } from "node:http"
import { limits } from "@grizz/protocol/constants"
import type { FastifyReply } from "fastify"
import type { Following } from "../../live-ports.ts"
import type { LongAnswer } from "./long-answers.ts"

/** An HTTP answer as server-sent events: it minds its reader's pace, and ends a reader that stopped reading. */
export class EventStream implements LongAnswer {
  readonly #reply: FastifyReply
  #following: Following | null = null
  #isOpen = false
  #isOver = false
  /** Runs while the reader is full. */
  #patience: NodeJS.Timeout | null = null

  constructor(reply: FastifyReply) {
    this.#reply = reply
    this.response.once("close", () => {
      this.#isOver = true
      this.#stopWaiting()
      this.#following?.stop()
    })
  }

  get response(): ServerResponse {
    return this.#reply.raw
  }

  /** Whether the head of the answer was sent, so that nothing else can be answered any more. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** The reader to wake when this stream has room again. */
  set following(following: Following) {
    this.#following = following
    if (this.#isOver) following.stop()
  }

  /** Sends the head, before there is any event. */
  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#reply.hijack()
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) this.response.setHeader(name, value)
    }
    this.response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    })
    this.response.flushHeaders()
    this.response.on("drain", () => {
      this.#stopWaiting()
      this.#following?.resume()
    })
  }

  /** @param cursor the event's id; null for what is no point of the conversation. False: full until the stream drains. */
  write(frame: string, cursor: string | null): boolean {
    return this.#send(cursor === null ? `data: ${frame}\n\n` : `id: ${cursor}\ndata: ${frame}\n\n`)
  }

  beat(): void {
    if (this.#isOpen && this.#patience === null) this.#send(":\n\n")
  }

  interrupt(): void {
    this.end()
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopWaiting()
    this.response.end()
  }

  /** The end waits behind what the reader does not read, so the connection goes soon after. */
  endSlowReader(): void {
    this.end()
    setTimeout(() => this.response.destroy(), 1000).unref()
  }

  #send(text: string): boolean {
    if (this.#isOver) return true
    if (this.response.write(text)) return true
    this.#patience ??= setTimeout(() => this.endSlowReader(), limits.drainTimeoutMs)
    return false
  }

  #stopWaiting(): void {
    if (this.#patience !== null) clearTimeout(this.#patience)
    this.#patience = null
  }
}
