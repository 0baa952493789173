import type { ClientFrame, ServerFrame } from "@grizz/protocol"
import { closeCodes } from "@grizz/protocol/constants"
import { eventsOf } from "./event-stream.ts"
import { GrizzError, toGrizzError } from "./grizz-error.ts"
import type { HttpEngine } from "./http.ts"
import { type Link, type LinkListener, parseFrame } from "./link.ts"
import { isRequestCode } from "./request-code.ts"
import { say } from "./say.ts"

/** How an HTTP status reads as a close code. */
const codesByStatus: Record<number, number> = {
  400: closeCodes.badRequest,
  401: closeCodes.unauthenticated,
  404: closeCodes.notFound,
  429: closeCodes.tooMany,
}
const cut = 1006

/** Server-sent events for what the engine says, and a POST for each thing that the client says. */
export class StreamLink implements Link {
  readonly isPingable = false
  readonly #http: HttpEngine
  readonly #conversationId: string
  readonly #listener: LinkListener
  readonly #abort = new AbortController()

  constructor(http: HttpEngine, conversationId: string, after: string | null, listener: LinkListener) {
    this.#http = http
    this.#conversationId = conversationId
    this.#listener = listener
    void this.#listen(after)
  }

  send(frame: ClientFrame): void {
    // The stream is signed in anew by opening it anew.
    if (frame.type === "auth.refresh") this.#end(closeCodes.restarting, "a new token")
    else if (frame.type !== "ping") void this.#post(frame)
  }

  close(): void {
    this.#abort.abort()
  }

  async #listen(after: string | null): Promise<void> {
    const { signal } = this.#abort
    const call = { id: this.#conversationId, query: { after }, accept: "text/event-stream", signal } as const
    try {
      const response = await this.#http.open("GET /conversations/{id}/events", call)
      for await (const data of eventsOf(response)) {
        if (signal.aborted) return
        this.#listener.alive()
        const frame = data === null ? null : parseFrame(data)
        if (frame !== null) this.#listener.frame(frame)
      }
      // The engine ends a stream where it would close a socket, and the next one says why.
      this.#end(closeCodes.restarting, "")
    } catch (error) {
      const { status, message } = toGrizzError(error)
      this.#end(codesByStatus[status ?? 0] ?? cut, message)
    }
  }

  async #post(frame: Exclude<ClientFrame, { type: "auth.refresh" | "ping" }>): Promise<void> {
    const { signal } = this.#abort
    try {
      if (frame.type === "reply.stop") await this.#http.call("POST /replies/{id}/stop", { id: frame.reply_id, signal })
      else if (frame.type === "reply.retry")
        await this.#http.call("POST /replies/{id}/retry", { id: frame.reply_id, signal })
      else await this.#say(frame)
    } catch (error) {
      if (signal.aborted) return
      this.#listener.frame(errorFrame(toGrizzError(error), "id" in frame ? frame.id : frame.reply_id))
    }
  }

  async #say({ id, content, metadata }: Extract<ClientFrame, { type: "message.send" }>): Promise<void> {
    const { signal } = this.#abort
    const stored = await say(this.#http, this.#conversationId, { id, content, metadata }, { signal })
    if (stored === null) throw new GrizzError("unavailable", "The answer ended before it said anything.")
    if (!signal.aborted) this.#listener.stored(stored)
  }

  #end(code: number, reason: string): void {
    if (this.#abort.signal.aborted) return
    this.#abort.abort()
    this.#listener.closed(code, reason)
  }
}

/** As the socket would say it: what did not arrive may be sent again. */
function errorFrame({ code, message }: GrizzError, ref: string): ServerFrame {
  return { type: "error", code: isRequestCode(code) ? code : "unavailable", message, ref }
}
