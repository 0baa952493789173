import { type ClientFrame, clientFrame } from "@grizz/protocol"
import * as z from "zod"
import { ChatError } from "../../core/errors.ts"
import type { ConversationEvent, Cursor } from "../../ports.ts"
import type { Beginning } from "../../services/conversation-reader.ts"
import { publicError } from "../problems.ts"
import { errorFrame, FrameEncoder, frame } from "../wire.ts"
import { closeReader, type Connection, type ConnectionOptions } from "./connection.ts"

/** The typed protocol `grizz.v1`: one JSON object per text frame, PROTOCOL.md. */
export class TypedConnection implements Connection {
  readonly #options: ConnectionOptions
  readonly #encoder: FrameEncoder

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#encoder = new FrameEncoder(options.session.conversationId)
  }

  begin(beginning: Beginning): void {
    this.#options.socket.write(this.#encoder.ready(beginning))
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    return this.#options.socket.write(this.#encoder.event(event, cursor))
  }

  close(reason: "deleted" | "too_slow"): void {
    closeReader(this.#options.socket, reason)
  }

  refuseBinary(): void {
    this.#options.socket.write(errorFrame("invalid_request", "Frames must be text.", null))
  }

  async receive(text: string): Promise<void> {
    let ref: string | null = null
    try {
      const value = parseJson(text)
      ref = referenceOf(value)
      await this.#handle(clientFrame.parse(value))
    } catch (error) {
      const { code, message } = publicError(error)
      if (code === "internal") this.#options.onUnexpected(error)
      this.#options.socket.write(errorFrame(code, message, ref))
    }
  }

  async #handle(received: ClientFrame): Promise<void> {
    const { session, socket, chat } = this.#options
    switch (received.type) {
      case "ping":
        socket.write(frame({ type: "pong" }))
        return
      case "reply.stop":
        return chat.stop(session.userId, received.reply_id)
      case "message.send": {
        const { id: messageId, content, metadata = null } = received
        const accepted = await chat.accept({ ...session, messageId, content, metadata })
        // The first time, `message.added` says it to every device.
        if (accepted.outcome !== "repeat") return
        socket.write(frame({ type: "message.accepted", message_id: messageId, reply_id: accepted.replyId }))
      }
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ChatError("invalid_request", "The frame is not JSON.", { cause: error })
  }
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
