import type { ConversationEvent, Cursor, ReaderEnd } from "../../live-ports.ts"
import type { Beginning, ReaderSink } from "../../services/conversation-reader.ts"
import type { Session, SessionHolder } from "../session.ts"
import { FrameEncoder, frame } from "../wire.ts"
import type { EventStream } from "./event-stream.ts"

/** A conversation's events as the socket gives them, each with its cursor as id. */
export class ConversationStream implements ReaderSink, SessionHolder {
  readonly session: Session
  readonly #stream: EventStream
  readonly #encoder: FrameEncoder

  constructor(session: Session, stream: EventStream) {
    this.session = session
    this.#stream = stream
    this.#encoder = new FrameEncoder(session.conversationId)
  }

  begin(beginning: Beginning): void {
    this.session.reached(beginning.cursor)
    this.#stream.open()
    this.#stream.write(this.#encoder.ready(beginning), this.#encoder.cursor(beginning.cursor))
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    this.session.reached(cursor)
    return this.#stream.write(this.#encoder.event(event, cursor), this.#encoder.cursor(cursor))
  }

  close(reason: ReaderEnd): void {
    if (reason === "too_slow") this.#stream.endSlowReader()
    else this.#stream.end()
  }

  warn(expiresAt: number): void {
    this.#stream.write(frame({ type: "auth.expiring", expires_at: new Date(expiresAt).toISOString() }), null)
  }

  expire(): void {
    this.#stream.end()
  }
}
