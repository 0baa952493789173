import type { ServerFrame } from "@grizz/protocol"
import type { ToldEnd, ViolationKind } from "./told.ts"

export interface ViewEntry {
  id: string
  role: string
  content: string
  status: string
}

export interface ViewEvents {
  violate(kind: ViolationKind, detail: string): void
  acknowledged(messageId: string, replyId: string): void
  ended(replyId: string, end: ToldEnd): void
  count(what: string): void
}

interface RunningView {
  replyId: string
  attempt: number
  text: string
}

type Frame<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>
type Message = Frame<"message.added">["message"]

/** What one device shows of its conversation, folded from its frames over all its connections. */
export class DeviceView {
  readonly #name: string
  readonly #events: ViewEvents
  /** By position. */
  readonly entries = new Map<number, ViewEntry>()
  /** The newest one; null before the first connection. */
  cursor: string | null = null
  running: RunningView | null = null
  #lastMessage = -1
  #lastReply = -1
  readonly #ended = new Set<string>()
  readonly #messages = new Set<string>()

  constructor(name: string, events: ViewEvents) {
    this.#name = name
    this.#events = events
  }

  /** Everything that has ended, newest last. */
  get endedReplies(): string[] {
    return [...this.entries].filter(([, { role }]) => role === "assistant").map(([, { id }]) => id)
  }

  hasEnded(replyId: string): boolean {
    return this.#ended.has(replyId)
  }

  /** A device that has forgotten everything. */
  forget(): void {
    this.cursor = null
    this.#reset()
  }

  read(frame: ServerFrame): void {
    if ("cursor" in frame) this.cursor = frame.cursor
    switch (frame.type) {
      case "ready":
        return this.#ready(frame)
      case "message.added":
        return this.#added(frame)
      case "message.accepted":
        return this.#events.acknowledged(frame.message_id, frame.reply_id)
      case "reply.started":
        if (!this.#messages.has(frame.message_id)) this.#violate("order", `${frame.reply_id} began before its message`)
        if (this.running !== null)
          this.#violate("order", `${frame.reply_id} began before ${this.running.replyId} ended`)
        this.running = { replyId: frame.reply_id, attempt: frame.attempt, text: "" }
        return
      case "reply.delta":
        if (this.running?.replyId === frame.reply_id) this.running.text += frame.text
        else this.#violate("order", `a delta of ${frame.reply_id} while ${this.running?.replyId ?? "nothing"} runs`)
        return
      case "reply.restarted":
        return this.#restarted(frame)
      case "reply.ended":
        return this.#endedFrame(frame)
      case "message.removed":
      case "auth.expiring":
      case "error":
      case "pong":
        return
    }
  }

  #ready({ messages, reply }: Frame<"ready">): void {
    if (messages === null) return this.#events.count("resumed")
    this.#events.count("snapshots")
    const earlier = new Map(this.entries)
    this.#reset()
    for (const message of messages) this.#put(message)
    this.running = reply && { replyId: reply.reply_id, attempt: reply.attempt, text: reply.text }
    const oldest = messages[0]?.position ?? 0
    for (const [position, entry] of earlier) {
      const isSame = JSON.stringify(this.entries.get(position)) === JSON.stringify(entry)
      // A reply may have been superseded since; the database is asked about it at the end.
      if (position < oldest || isSame || (entry.role === "assistant" && !this.entries.has(position))) continue
      this.#violate("lost", `a snapshot without position ${position}, or with another one, that was told before`)
    }
  }

  #added({ message, reply_id }: Frame<"message.added">): void {
    this.#events.acknowledged(message.id, reply_id)
    if (message.position <= this.#lastMessage) {
      this.#violate("order", `message ${message.position} after message ${this.#lastMessage}`)
    }
    this.#put(message)
  }

  #restarted({ reply_id, attempt }: Frame<"reply.restarted">): void {
    this.#events.count("restarts seen")
    if (this.running?.replyId !== reply_id || attempt <= this.running.attempt) {
      this.#violate("order", `attempt ${attempt} of ${reply_id} while ${JSON.stringify(this.running)} runs`)
    }
    this.running = { replyId: reply_id, attempt, text: "" }
  }

  #endedFrame({ reply_id, status, message, error, usage }: Frame<"reply.ended">): void {
    const { position, content } = message
    const { input_tokens: inputTokens = null, output_tokens: outputTokens = null } = usage ?? {}
    this.#events.ended(reply_id, {
      position,
      status,
      content,
      errorCode: error?.code ?? null,
      inputTokens,
      outputTokens,
    })
    if (this.#ended.has(reply_id)) this.#violate("ends", `the end of ${reply_id} twice`)
    if (position <= this.#lastReply) this.#violate("order", `the end of ${position} after that of ${this.#lastReply}`)
    if (this.running?.replyId !== reply_id) {
      this.#violate("order", `the end of ${reply_id} while ${this.running?.replyId ?? "nothing"} runs`)
    } else if (this.running.text !== content) {
      this.#violate("text", `${reply_id}: folded ${summary(this.running.text)}, ended with ${summary(content)}`)
    }
    this.running = null
    this.#put(message)
  }

  #put({ id, position, role, content, status }: Message): void {
    this.entries.set(position, { id, role, content, status })
    if (role === "user") {
      this.#lastMessage = Math.max(this.#lastMessage, position)
      this.#messages.add(id)
    } else {
      this.#lastReply = Math.max(this.#lastReply, position)
      this.#ended.add(id)
    }
  }

  #reset(): void {
    this.entries.clear()
    this.running = null
    this.#lastMessage = -1
    this.#lastReply = -1
    this.#ended.clear()
    this.#messages.clear()
  }

  #violate(kind: ViolationKind, detail: string): void {
    this.#events.violate(kind, `${this.#name}: ${detail}`)
  }
}

/** Where two texts differ is told by their lengths and ends; they are long. */
function summary(text: string): string {
  return `${text.length} units …${JSON.stringify(text.slice(-24))}`
}
