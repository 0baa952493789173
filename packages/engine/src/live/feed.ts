import type { ConversationEvent, Cursor, EventSink, Following, LogEntry } from "../ports.ts"

type ReplyEntry = Extract<LogEntry, { kind: "reply" }>

/** Most text, in UTF-16 units, that may wait for a reader that is full. */
const backlogMaxLength = 1024 * 1024

/**
 * The live part of one conversation: entries that a reader may still need, and its readers.
 * An entry goes when its reply has ended and every reader has seen it; from then on the database serves it.
 */
export class Feed {
  #entries: LogEntry[] = []
  readonly #followers = new Set<Follower>()

  get isIdle(): boolean {
    return this.#followers.size === 0 && this.#entries.length === 0
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  findReply(replyId: string): ReplyEntry | null {
    return (
      this.#entries.find((entry): entry is ReplyEntry => entry.kind === "reply" && entry.reply.id === replyId) ?? null
    )
  }

  /** Adds an entry, or tells that one has changed. */
  publish(entry: LogEntry): void {
    if (!this.#entries.includes(entry)) this.#entries.push(entry)
    for (const follower of this.#followers) follower.take(entry)
    this.trim()
  }

  append(entry: ReplyEntry, text: string): void {
    const offset = entry.text.length
    entry.text += text
    const event: ConversationEvent = { type: "reply.delta", replyId: entry.reply.id, text }
    for (const follower of this.#followers) follower.takeDelta(entry, offset, event)
  }

  remove(entry: LogEntry): void {
    this.#entries = this.#entries.filter((other) => other !== entry)
  }

  trim(): void {
    for (const follower of this.#followers) if (!follower.isLive) return
    this.#entries = this.#entries.filter((entry) => entry.kind === "reply" && entry.end === null)
  }

  add(sink: EventSink, onStop: () => void): Following {
    const follower = new Follower(this, sink, () => {
      this.#followers.delete(follower)
      this.trim()
      onStop()
    })
    this.#followers.add(follower)
    return follower
  }

  close(reason: "deleted"): void {
    for (const follower of this.#followers) follower.close(reason)
  }
}

/**
 * One reader. Live, resumed and late views are the same step: what of this entry lies after my cursor?
 * It is live when it has seen every entry; before its beginning, and while it is full, entries are kept for it.
 */
class Follower implements Following {
  readonly #feed: Feed
  readonly #sink: EventSink
  readonly #onStop: () => void
  #cursor: Cursor | null = null
  /** Stored entries not yet written. */
  #stored: LogEntry[] = []
  #isFull = false
  /** UTF-16 units appended while full. */
  #behind = 0
  isLive = false

  constructor(feed: Feed, sink: EventSink, onStop: () => void) {
    this.#feed = feed
    this.#sink = sink
    this.#onStop = onStop
  }

  liveReply(replyId: string): { attempt: number; text: string } | null {
    const entry = this.#feed.findReply(replyId)
    return entry === null ? null : { attempt: entry.reply.attempt, text: entry.text }
  }

  begin(cursor: Cursor, stored: LogEntry[]): void {
    this.#cursor = { ...cursor }
    this.#stored = stored
    this.resume()
  }

  resume(): void {
    if (this.#cursor === null) return
    this.#isFull = false
    this.#behind = 0
    let next = 0
    while (next < this.#stored.length && !this.#isFull) this.#advance(this.#cursor, this.#stored[next++]!)
    // The last one may have been cut short by a full reader; the cursor makes seeing it again harmless.
    this.#stored = this.#stored.slice(this.#isFull ? next - 1 : next)
    if (this.#stored.length > 0) return
    for (const entry of this.#feed.entries) {
      if (this.#isFull) return
      this.#advance(this.#cursor, entry)
    }
    this.isLive = !this.#isFull
    if (this.isLive) this.#feed.trim()
  }

  stop(): void {
    this.#onStop()
  }

  close(reason: "deleted" | "too_slow"): void {
    this.#onStop()
    this.#sink.close(reason)
  }

  take(entry: LogEntry): void {
    if (this.isLive && this.#cursor !== null) this.#advance(this.#cursor, entry)
  }

  /** The way of every token: `event` carries the text from `offset` on, and is shared by all readers. */
  takeDelta(entry: ReplyEntry, offset: number, event: ConversationEvent & { type: "reply.delta" }): void {
    const cursor = this.#cursor
    if (!this.isLive || cursor === null) {
      this.#behind += event.text.length
      if (this.#isFull && this.#behind > backlogMaxLength) this.close("too_slow")
      return
    }
    const follows =
      cursor.reply === entry.reply.position && cursor.attempt === entry.reply.attempt && cursor.offset === offset
    if (!follows) return this.#advance(cursor, entry)
    cursor.offset += event.text.length
    this.#write(event, cursor)
  }

  #advance(cursor: Cursor, entry: LogEntry): void {
    if (entry.kind === "reply") return this.#advanceReply(cursor, entry)
    if (entry.message.position <= cursor.message) return
    cursor.message = entry.message.position
    this.#write({ type: "message.added", message: entry.message, replyId: entry.replyId }, cursor)
  }

  #advanceReply(cursor: Cursor, { reply, text, end }: ReplyEntry): void {
    if (reply.position < cursor.reply) return
    if (reply.position === cursor.reply && (cursor.ended || reply.attempt < cursor.attempt)) return
    if (reply.position > cursor.reply) {
      Object.assign(cursor, { reply: reply.position, attempt: reply.attempt, offset: 0, ended: false })
      this.#write({ type: "reply.started", reply }, cursor)
    } else if (reply.attempt > cursor.attempt) {
      Object.assign(cursor, { attempt: reply.attempt, offset: 0 })
      this.#write({ type: "reply.restarted", reply }, cursor)
    }
    if (text.length > cursor.offset && !this.#isFull) {
      const rest = text.slice(cursor.offset)
      cursor.offset = text.length
      this.#write({ type: "reply.delta", replyId: reply.id, text: rest }, cursor)
    }
    if (end !== null && !this.#isFull) {
      cursor.ended = true
      this.#write({ type: "reply.ended", end }, cursor)
    }
  }

  #write(event: ConversationEvent, cursor: Cursor): void {
    if (this.#sink.write(event, cursor)) return
    this.#isFull = true
    this.isLive = false
  }
}
