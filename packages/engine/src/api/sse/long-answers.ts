import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { limits } from "@grizz/protocol/constants"
import { ChatError } from "../../core/errors.ts"

/** An answer that stays open: an event stream, or a call that waits for a reply. */
export interface LongAnswer {
  readonly response: ServerResponse
  /** To be called every 15 s: shows that the connection lives. */
  beat(): void
  /** The node shuts down. */
  interrupt(): void
}

/** How long a client may take to read the end of its answer at a shutdown. */
const closeTimeoutMs = 1000

/** The answers that are open, one timer for all of them, and their end at a shutdown. */
export class LongAnswers {
  readonly #open = new Set<LongAnswer>()
  readonly #heartbeat: NodeJS.Timeout
  #isClosing = false

  constructor() {
    this.#heartbeat = setInterval(() => {
      for (const answer of this.#open) answer.beat()
    }, limits.sseCommentIntervalMs)
    this.#heartbeat.unref()
  }

  /** Lets in no new ones from now on. */
  refuseNew(): void {
    this.#isClosing = true
  }

  /** @throws ChatError `unavailable` while the node shuts down */
  requireOpen(): void {
    if (this.#isClosing) throw new ChatError("unavailable", "The server is restarting. Send this again in a moment.")
  }

  /** Keeps the answer until it is over. @throws ChatError `unavailable` while the node shuts down */
  add(answer: LongAnswer): void {
    this.requireOpen()
    this.#open.add(answer)
    answer.response.once("close", () => this.#open.delete(answer))
  }

  /** Ends what is open, for a server waits for it; a client that does not read is cut. */
  async close(): Promise<void> {
    this.refuseNew()
    clearInterval(this.#heartbeat)
    const closed = [...this.#open].map((answer) => {
      const isClosed = once(answer.response, "close")
      answer.interrupt()
      return isClosed
    })
    const cut = setTimeout(() => {
      for (const { response } of this.#open) response.destroy()
    }, closeTimeoutMs)
    await Promise.all(closed)
    clearTimeout(cut)
  }
}
