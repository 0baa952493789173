import { type ClientFrame, clientFrame, closeCodes } from "@grizz/protocol"
import * as z from "zod"
import { ChatError } from "../../core/errors.ts"
import type { ConversationEvent, Cursor, ReaderEnd } from "../../live-ports.ts"
import type { Beginning } from "../../services/conversation-reader.ts"
import { publicError } from "../problems.ts"
import type { Session } from "../session.ts"
import { errorFrame, FrameEncoder, frame } from "../wire.ts"
import { closeExpired, closeReader, type Connection, type ConnectionOptions } from "./connection.ts"
import type { Socket } from "./socket.ts"

/** The typed protocol `grizz.v1`: one JSON object per text frame, PROTOCOL.md. */
export class TypedConnection implements Connection {
  readonly #options: ConnectionOptions
  /** The same as the options': a step less on the way of every token. */
  readonly #socket: Socket
  readonly #encoder: FrameEncoder
  /** Frames that come after a token wait until it is known. */
  #refreshing: Promise<void> | null = null

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#encoder = new FrameEncoder(options.session.conversationId)
  }

  get session(): Session {
    return this.#options.session
  }

  begin(beginning: Beginning): void {
    this.session.reached(beginning.cursor)
    this.#options.socket.write(this.#encoder.ready(beginning))
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    if (event.type !== "reply.delta") this.session.reached(cursor)
    return this.#socket.write(this.#encoder.event(event, cursor))
  }

  close(reason: ReaderEnd): void {
    closeReader(this.#options.socket, reason)
  }

  warn(expiresAt: number): void {
    this.#options.socket.write(frame({ type: "auth.expiring", expires_at: new Date(expiresAt).toISOString() }))
  }

  expire(): void {
    closeExpired(this.#options.socket)
  }

  /** The client comes back with its cursor. */
  interrupt(): void {}

  refuseBinary(): void {
    this.#options.socket.write(errorFrame("invalid_request", "Frames must be text.", null))
  }

  async receive(text: string): Promise<void> {
    let ref: string | null = null
    try {
      const value = parseJson(text)
      ref = referenceOf(value)
      refusePrototype(text)
      await this.#handle(clientFrame.parse(value))
    } catch (error) {
      const { code, message } = publicError(error)
      if (code === "internal") this.#options.onUnexpected(error)
      this.#options.socket.write(errorFrame(code, message, ref))
    }
  }

  async #handle(received: ClientFrame): Promise<void> {
    if (received.type === "ping") return void this.#options.socket.write(frame({ type: "pong" }))
    if (received.type === "auth.refresh") {
      this.#refreshing = this.#refresh(received.token)
      return this.#refreshing
    }
    if (this.#refreshing !== null) await Promise.allSettled([this.#refreshing])
    this.session.requireValid()
    await this.#act(received)
  }

  async #act(received: Exclude<ClientFrame, { type: "ping" | "auth.refresh" }>): Promise<void> {
    const { socket, chat } = this.#options
    const { userId, conversationId } = this.session
    switch (received.type) {
      case "reply.stop":
        return chat.stop(userId, received.reply_id)
      case "reply.retry":
        await chat.retry(userId, received.reply_id)
        return
      case "message.send": {
        const { id: messageId, content, metadata = null } = received
        const accepted = await chat.accept({ userId, conversationId, messageId, content, metadata })
        // The first time, `message.added` says it to every device.
        if (accepted.outcome !== "repeat") return
        socket.write(frame({ type: "message.accepted", message_id: messageId, reply_id: accepted.replyId }))
      }
    }
  }

  async #refresh(token: string): Promise<void> {
    const { userId, expiresAt } = await this.#options.verifier.verify(token)
    if (userId === this.session.userId) this.session.extend(expiresAt)
    else this.#options.socket.close(closeCodes.unauthenticated, "the token is another user's")
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ChatError("invalid_request", "The frame is not JSON.", { cause: error })
  }
}

/** As a key it would be dropped without a word; as text it would be escaped. */
function refusePrototype(text: string): void {
  if (/"__proto__"\s*:/.test(text)) throw new ChatError("invalid_request", "The key __proto__ is not accepted.")
}

const reference = z.union([
  z.object({ id: z.string() }).transform(({ id }) => id),
  z.object({ reply_id: z.string() }).transform((frame) => frame.reply_id),
])

/** What an error about this frame refers to: its `id` or `reply_id`, where it has one. */
function referenceOf(value: unknown): string | null {
  const ref = reference.safeParse(value).data
  return ref?.slice(0, 100) ?? null
}
