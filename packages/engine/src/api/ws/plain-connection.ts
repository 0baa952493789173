import { messageContent } from "@grizz/protocol"
import type { ConversationEvent, Cursor, ReaderEnd } from "../../live-ports.ts"
import type { Beginning } from "../../services/conversation-reader.ts"
import { publicError } from "../problems.ts"
import { replyError } from "../wire.ts"
import type { Session } from "../session.ts"
import { closeExpired, closeReader, type Connection, type ConnectionOptions } from "./connection.ts"

/**
 * The original's wire: a text frame in is a user's message; the text frames out are the pieces of the replies to this
 * socket's messages, and nothing else.
 */
export class PlainConnection implements Connection {
  readonly #options: ConnectionOptions
  /** Messages of this socket whose reply has no id yet, and replies to them that have not ended. */
  readonly #messageIds = new Set<string>()
  readonly #replyIds = new Set<string>()

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get session(): Session {
    return this.#options.session
  }

  begin({ cursor }: Beginning): void {
    this.session.reached(cursor)
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    this.session.reached(cursor)
    switch (event.type) {
      case "message.added":
        if (this.#messageIds.delete(event.message.id)) this.#replyIds.add(event.replyId)
        return true
      case "reply.started":
      case "message.removed":
        return true
      case "reply.delta":
        return this.#replyIds.has(event.replyId) ? this.#options.socket.write(event.text) : true
      case "reply.restarted":
        // What was sent cannot be taken back on this wire.
        return this.#fail(event.reply.id, replyError("interrupted").message)
      case "reply.ended": {
        const { replyId, errorCode } = event.end
        if (errorCode !== null) return this.#fail(replyId, replyError(errorCode).message)
        this.#replyIds.delete(replyId)
        return true
      }
    }
  }

  close(reason: ReaderEnd): void {
    if (reason === "behind") this.interrupt()
    closeReader(this.#options.socket, reason)
  }

  /** There is no frame for it on this wire. */
  warn(): void {}

  expire(): void {
    closeExpired(this.#options.socket)
  }

  interrupt(): void {
    for (const replyId of this.#replyIds) this.#fail(replyId, replyError("interrupted").message)
  }

  refuseBinary(): void {
    this.#options.socket.write(errorText("Frames must be text."))
  }

  async receive(text: string): Promise<void> {
    const { session, socket, chat, newId, onUnexpected } = this.#options
    const { userId, conversationId } = session
    const messageId = newId()
    try {
      session.requireValid()
      const content = messageContent.parse(text)
      this.#messageIds.add(messageId)
      await chat.accept({ userId, conversationId, messageId, content, metadata: null })
    } catch (error) {
      this.#messageIds.delete(messageId)
      const { code, message } = publicError(error)
      if (code === "internal") onUnexpected(error)
      socket.write(errorText(message))
    }
  }

  #fail(replyId: string, message: string): boolean {
    return this.#replyIds.delete(replyId) ? this.#options.socket.write(errorText(message)) : true
  }
}

const errorText = (message: string) => `\n\n[Error: ${message}]`
