import type { ConversationEvent, Cursor, ReaderEnd } from "../../live-ports.ts"
import { FrameEncoder } from "../wire.ts"
import type { EventStream } from "./event-stream.ts"
import type { TurnAudience } from "./turn-reader.ts"

/** A turn's events as server-sent events; the stream ends with the turn. */
export class TurnStream implements TurnAudience {
  readonly #stream: EventStream
  readonly #encoder: FrameEncoder

  constructor(conversationId: string, stream: EventStream) {
    this.#stream = stream
    this.#encoder = new FrameEncoder(conversationId)
  }

  setErased(count: number): void {
    this.#encoder.erased = count
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    const hasRoom = this.#stream.write(this.#encoder.event(event, cursor), this.#encoder.cursor(cursor))
    if (event.type === "reply.ended") this.#stream.end()
    return hasRoom
  }

  close(reason: ReaderEnd): void {
    if (reason === "too_slow") this.#stream.endSlowReader()
    else this.#stream.end()
  }
}
