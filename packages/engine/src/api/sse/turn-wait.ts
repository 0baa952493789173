import type { ServerResponse } from "node:http"
import { ChatError } from "../../core/errors.ts"
import type { Message } from "../../domain.ts"
import type { ConversationEvent, ReaderEnd } from "../../live-ports.ts"
import type { LongAnswer } from "./long-answers.ts"
import type { TurnAudience } from "./turn-reader.ts"

/** A message, and the reply to it as history shows it. */
export interface Turn {
  message: Message
  reply: Message
}

/** Waits for the end of a turn. */
export class TurnWait implements TurnAudience, LongAnswer {
  readonly response: ServerResponse
  readonly #turn = Promise.withResolvers<Turn | null>()
  #message: Message | null = null

  constructor(response: ServerResponse) {
    this.response = response
    // The client may be gone before anyone waits.
    this.#turn.promise.catch(() => undefined)
    response.once("close", () => this.#turn.resolve(null))
  }

  /** Null when the client left. @throws ChatError `not_found` when the conversation was deleted, `unavailable` at a shutdown */
  get turn(): Promise<Turn | null> {
    return this.#turn.promise
  }

  setErased(): void {}

  write(event: ConversationEvent): boolean {
    if (event.type === "message.added") this.#message = event.message
    else if (event.type === "reply.ended" && this.#message !== null) {
      this.#turn.resolve({ message: this.#message, reply: event.end.message })
    }
    return true
  }

  close(reason: ReaderEnd): void {
    const isDeleted = reason === "deleted"
    const sentence = isDeleted
      ? "The conversation was deleted."
      : "The reply cannot be followed now. Send the same again."
    this.#turn.reject(new ChatError(isDeleted ? "not_found" : "unavailable", sentence))
  }

  beat(): void {}

  interrupt(): void {
    this.#turn.reject(new ChatError("unavailable", "The server is restarting. Send the same again in a moment."))
  }
}
