import type { ConversationResource, MessageResource, ServerFrame } from "@grizz/protocol"
import type { ReplyEndStatus } from "@grizz/protocol/constants"

/** A frame that waits for its cursor, which is its place in the conversation's log. */
type Logged = (cursor: string) => ServerFrame

export const conversation: ConversationResource = {
  id: "0198b000-0000-7000-8000-000000000000",
  user_id: "0198b000-0000-7000-8000-00000000000a",
  title: null,
  conv_day: "2026-11-20",
  timezone: "UTC",
  created_at: "2026-11-20T08:00:00Z",
  updated_at: "2026-11-20T08:00:00Z",
}

/** One conversation as PROTOCOL.md describes it, without time and sockets: the log is exact, a reader's cuts are not. */
export class ModelEngine {
  readonly #log: Logged[] = []
  readonly #messages = new Map<string, MessageResource>()
  readonly #superseded = new Set<string>()
  /** Ids of erased messages: a repeat of one is still a repeat. */
  readonly #erased = new Set<string>()
  readonly #waiting: { messageId: string; replyId: string; position: number }[] = []
  #nextPosition = 0
  #running: { replyId: string; messageId: string; position: number; attempt: number; text: string } | null = null

  get idle(): boolean {
    return this.#running === null && this.#waiting.length === 0
  }

  get running(): { replyId: string } | null {
    return this.#running
  }

  /** The answer to this socket alone, or null when the acknowledgement is in the log. */
  send(id: string, content: string): ServerFrame | null {
    const replyId = replyIdOf(id)
    if (this.#messages.has(id) || this.#erased.has(id))
      return { type: "message.accepted", message_id: id, reply_id: replyId }
    const position = this.#nextPosition
    this.#nextPosition += 2
    const message = messageOf(id, position, "user", content, "sent")
    this.#messages.set(id, message)
    this.#waiting.push({ messageId: id, replyId, position: position + 1 })
    this.#log.push((cursor) => ({ type: "message.added", message, reply_id: replyId, cursor }))
    this.#startNext()
    return null
  }

  write(text: string): void {
    if (this.#running === null) return
    const reply_id = this.#running.replyId
    this.#running.text += text
    this.#log.push((cursor) => ({ type: "reply.delta", reply_id, text, cursor }))
  }

  restart(): void {
    if (this.#running === null) return
    const attempt = this.#running.attempt + 1
    const reply_id = this.#running.replyId
    this.#running = { ...this.#running, attempt, text: "" }
    this.#log.push((cursor) => ({ type: "reply.restarted", reply_id, attempt, cursor }))
  }

  end(status: ReplyEndStatus = "completed"): void {
    const reply = this.#running
    if (reply === null) return
    const message = messageOf(reply.replyId, reply.position, "assistant", reply.text, status)
    this.#messages.set(reply.replyId, message)
    this.#running = null
    const error =
      status === "failed" ? ({ code: "model_timeout", message: "It took too long.", retryable: true } as const) : null
    const { replyId: reply_id } = reply
    this.#log.push((cursor) => ({ type: "reply.ended", reply_id, status, message, error, usage: null, cursor }))
    this.#startNext()
  }

  /** A new reply in the place of the newest one; false where the engine says `conflict`. */
  retry(replyId: string): boolean {
    const newest = this.history().at(-1)
    const answered = this.history().findLast((message) => message.role === "user")
    if (!this.idle || newest?.id !== replyId || newest.role !== "assistant" || answered === undefined) return false
    const position = this.#nextPosition
    this.#nextPosition += 1
    this.#superseded.add(replyId)
    this.#waiting.push({ messageId: answered.id, replyId: `${position}-${answered.id.slice(-12)}`, position })
    this.#startNext()
    return true
  }

  erase(messageId: string): void {
    // What is under way is left alone: to stop it is the engine's part.
    if (!this.idle || !this.#messages.delete(messageId)) return
    this.#erased.add(messageId)
    this.#log.push((cursor) => ({ type: "message.removed", message_id: messageId, cursor }))
  }

  history(): MessageResource[] {
    const shown = [...this.#messages.values()].filter(({ id }) => !this.#superseded.has(id))
    return shown.sort((a, b) => a.position - b.position)
  }

  cursor(): string {
    return String(this.#log.length)
  }

  snapshot(pageSize: number): ServerFrame {
    const running = this.#running
    return {
      type: "ready",
      conversation,
      cursor: this.cursor(),
      messages: this.history().slice(-pageSize),
      reply: running && {
        reply_id: running.replyId,
        message_id: running.messageId,
        attempt: running.attempt,
        text: running.text,
      },
      queued: this.#waiting.map(({ replyId, messageId }) => ({ reply_id: replyId, message_id: messageId })),
    }
  }

  resumed(after: string): ServerFrame {
    return { type: "ready", conversation, cursor: after, messages: null, reply: null, queued: null }
  }

  /** Every event after the cursor, up to `to`; with `merged`, deltas that follow each other come as one. */
  events(after: string, merged: boolean, to = this.#log.length): ServerFrame[] {
    const frames: ServerFrame[] = []
    for (const [index, logged] of this.#log.slice(Number(after), to).entries()) {
      const frame = logged(String(Number(after) + index + 1))
      const last = frames.at(-1)
      if (merged && frame.type === "reply.delta" && last?.type === "reply.delta") {
        frames.splice(-1, 1, { ...frame, text: last.text + frame.text })
      } else frames.push(frame)
    }
    return frames
  }

  #startNext(): void {
    const next = this.#running === null ? this.#waiting.shift() : undefined
    if (next === undefined) return
    this.#running = { ...next, attempt: 1, text: "" }
    const { replyId: reply_id, messageId: message_id } = next
    this.#log.push((cursor) => ({ type: "reply.started", reply_id, message_id, attempt: 1, cursor }))
  }
}

export function replyIdOf(messageId: string): string {
  return messageId.replace(/^.{8}/, "ffffffff")
}

function messageOf(
  id: string,
  position: number,
  role: MessageResource["role"],
  content: string,
  status: MessageResource["status"],
): MessageResource {
  const created_at = new Date(Date.UTC(2026, 10, 20, 8, 0, position)).toISOString()
  return { id, conversation_id: conversation.id, position, role, content, metadata: null, status, created_at }
}
