import { randomUUID } from "node:crypto"
import { ChatError } from "../../src/core/errors.ts"
import type { Message, ReplyEnd, RunningReply } from "../../src/domain.ts"
import type { Cursor, LogEntry, StoredReader } from "../../src/live-ports.ts"

/** What the database would hold of one conversation: what was committed, and the text that was saved of what runs. */
export class Ledger {
  readonly conversationId = randomUUID()
  readonly entries: LogEntry[] = []
  /** Messages that were erased. */
  erased = 0
  running: { reply: RunningReply; text: string } | null = null
  isDeleted = false
  reads = 0

  message(position: number): Message {
    const { conversationId } = this
    return {
      id: `m${position}`,
      conversationId,
      position,
      role: "user",
      content: "hello",
      metadata: null,
      status: "sent",
      createdAt: "2026-01-01T00:00:00.000Z",
    }
  }

  reply(position: number, attempt = 1): RunningReply {
    const { conversationId } = this
    return { id: `r${position}`, conversationId, messageId: `m${position - 1}`, position, attempt }
  }

  endOf({ id, position, attempt }: RunningReply, content: string): ReplyEnd {
    return {
      replyId: id,
      attempt,
      status: "completed",
      message: { ...this.message(position), id, role: "assistant", content, status: "completed" },
      errorCode: null,
      usage: null,
    }
  }

  say(position: number): Message {
    const message = this.message(position)
    this.entries.push({ kind: "message", message, replyId: `r${position + 1}` })
    return message
  }

  start(position: number, attempt = 1): RunningReply {
    const reply = this.reply(position, attempt)
    this.running = { reply, text: this.running?.text ?? "" }
    return reply
  }

  save(text: string): void {
    if (this.running !== null) this.running.text = text
  }

  end(text: string): ReplyEnd {
    const { reply } = this.running!
    this.running = null
    const end = this.endOf(reply, text)
    this.entries.push({ kind: "reply", reply, text }, { kind: "end", reply, end })
    return end
  }

  erase(id: string): void {
    this.erased += 1
    const idOf = (entry: LogEntry) => (entry.kind === "message" ? entry.message.id : entry.reply.id)
    this.entries.splice(0, this.entries.length, ...this.entries.filter((entry) => idOf(entry) !== id))
  }

  /** Everything after a cursor. */
  after(cursor: Cursor): LogEntry[] {
    const stored = this.entries.filter((entry) =>
      entry.kind === "message" ? entry.message.position > cursor.message : entry.reply.position >= cursor.reply,
    )
    return this.running === null ? stored : [...stored, { kind: "reply", ...this.running }]
  }

  readonly read: StoredReader = async (after) => {
    this.reads += 1
    if (this.isDeleted) throw new ChatError("not_found", "There is no such conversation.")
    return { entries: this.after(after), isUnderWay: this.running !== null, erased: this.erased }
  }
}
