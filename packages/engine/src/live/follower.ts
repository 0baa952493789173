import type { ReplyEnd, RunningReply } from "../domain.ts"
import type {
  ConversationEvent,
  Cursor,
  EventSink,
  Following,
  LogEntry,
  ReaderEnd,
  StoredEvents,
} from "../live-ports.ts"
import { isNext, reaches } from "./cursor-order.ts"
import type { ReplyEntry } from "./reply-entry.ts"

/** Most text, in UTF-16 units, that may wait for a reader that is full. */
const backlogMaxLength = 1024 * 1024

/** What a reader sees of its feed. */
export interface FollowedFeed {
  readonly entries: readonly LogEntry[]
  /** Called when an entry came before what it follows. */
  readonly onGap: () => void
  findReply(replyId: string): ReplyEntry | null
  trim(): void
}

type Removal = Extract<ConversationEvent, { type: "message.removed" }>

export interface FollowerOptions {
  feed: FollowedFeed
  sink: EventSink
  ready: Promise<void>
  onStop: () => void
}

/**
 * One reader. Live, resumed and late views are the same step: what of this entry lies after my cursor?
 * It is live when it has seen every entry; before its beginning, and while it is full, entries are kept for it. An entry
 * whose predecessor was not heard waits: the cursor never jumps over anything.
 */
export class Follower implements Following {
  readonly ready: Promise<void>
  readonly #feed: FollowedFeed
  readonly #sink: EventSink
  readonly #onStop: () => void
  #cursor: Cursor | null = null
  /** Stored entries not yet written. */
  #stored: LogEntry[] = []
  #isFull = false
  #isLive = false
  /** An entry waits for one before it. */
  #isBlocked = false
  /** Stored entries were given to the others while this one could take none. */
  #hasMissed = false
  /** Erasures that its reader knows of. */
  #erased = 0
  /** Erased messages not yet told. */
  #removals: Removal[] = []
  #written = 0

  constructor({ feed, sink, ready, onStop }: FollowerOptions) {
    this.#feed = feed
    this.#sink = sink
    this.ready = ready
    this.#onStop = onStop
  }

  /** Needs none of the entries that are there now. */
  get isCaughtUp(): boolean {
    return this.#isLive && !this.#isBlocked
  }

  /** Where this reader is; null while it takes nothing. */
  get liveCursor(): Readonly<Cursor> | null {
    return this.#isLive ? this.#cursor : null
  }

  liveReply(replyId: string): { attempt: number; text: string } | null {
    const entry = this.#feed.findReply(replyId)
    return entry === null ? null : { attempt: entry.reply.attempt, text: entry.text }
  }

  begin(cursor: Cursor, stored: LogEntry[], erased: number): void {
    this.#cursor = { ...cursor }
    this.#erased = erased
    this.#stored = stored
    this.resume()
  }

  resume(): void {
    const cursor = this.#cursor
    if (cursor === null) return
    this.#isFull = false
    let next = 0
    while (next < this.#stored.length && !this.#isFull) this.#advance(cursor, this.#stored[next++]!)
    // The last one may have been cut short by a full reader; the cursor makes seeing it again harmless.
    this.#stored = this.#stored.slice(this.#isFull ? next - 1 : next)
    if (this.#stored.length > 0) return
    this.#catchUp(cursor)
    this.#isLive = !this.#isFull
    if (!this.#isLive) return
    if (this.#hasMissed || this.#isBlocked) this.#feed.onGap()
    this.#hasMissed = false
    for (const event of this.#removals.splice(0)) this.#tellRemoval(event, cursor)
    this.#feed.trim()
  }

  stop(): void {
    this.#onStop()
  }

  close(reason: ReaderEnd): void {
    this.#onStop()
    this.#sink.close(reason)
  }

  take(entry: LogEntry): void {
    if (!this.#isLive || this.#cursor === null) {
      this.#endIfTooSlow()
      return
    }
    const before = this.#written
    this.#advanceInOrder(this.#cursor, entry)
    if (!this.#isBlocked) return
    if (this.#written > before) this.#catchUp(this.#cursor)
    if (this.#isBlocked) this.#feed.onGap()
  }

  takeRemoval(event: Removal): void {
    if (this.#isLive && this.#cursor !== null) this.#tellRemoval(event, this.#cursor)
    else this.#removals.push(event)
  }

  /**
   * What is stored after the cursor `after`: complete, so that nothing in it needs to wait. It does not say which message
   * was erased: a reader that was not told of one begins anew.
   */
  takeStored(after: Cursor, { entries, erased }: StoredEvents): void {
    if (this.#isLive && erased > this.#erased) return this.close("behind")
    if (this.#isLive && erased === this.#erased && this.#cursor !== null && reaches(this.#cursor, after)) {
      this.#stored = entries
      return this.resume()
    }
    this.#hasMissed = true
    if (this.#isLive) this.#feed.onGap()
  }

  /** The way of every token: `event` carries the text from `offset` on, and is shared by all readers. */
  takeDelta(entry: ReplyEntry, offset: number, event: ConversationEvent & { type: "reply.delta" }): void {
    const cursor = this.#cursor
    if (!this.#isLive || cursor === null) {
      this.#endIfTooSlow()
      return
    }
    const follows =
      cursor.reply === entry.reply.position && cursor.attempt === entry.reply.attempt && cursor.offset === offset
    if (!follows || cursor.ended) return this.#advanceInOrder(cursor, entry)
    cursor.offset += event.text.length
    this.#write(event, cursor)
  }

  /** Bounds what is kept for a reader that does not drain. */
  #endIfTooSlow(): void {
    const cursor = this.#cursor
    if (!this.#isFull || cursor === null) return
    let waiting = 0
    for (const entry of this.#feed.entries) waiting += lengthAfter(cursor, entry)
    if (waiting > backlogMaxLength) this.close("too_slow")
  }

  /** Sees every entry, again as long as that lets another one go on. */
  #catchUp(cursor: Cursor): void {
    let before: number
    do {
      before = this.#written
      this.#isBlocked = false
      for (const entry of this.#feed.entries) {
        if (this.#isFull) return
        this.#advanceInOrder(cursor, entry)
      }
    } while (this.#isBlocked && this.#written > before)
  }

  #advanceInOrder(cursor: Cursor, entry: LogEntry): void {
    if (isNext(cursor, entry)) this.#advance(cursor, entry)
    else this.#isBlocked = true
  }

  #advance(cursor: Cursor, entry: LogEntry): void {
    switch (entry.kind) {
      case "reply":
        return this.#advanceReply(cursor, entry.reply, entry.text, null)
      case "end":
        return this.#advanceReply(cursor, entry.reply, entry.end.message.content, entry.end)
      case "message":
        if (entry.message.position <= cursor.message) return
        cursor.message = entry.message.position
        this.#write({ type: "message.added", message: entry.message, replyId: entry.replyId }, cursor)
    }
  }

  #advanceReply(cursor: Cursor, reply: RunningReply, text: string, end: ReplyEnd | null): void {
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

  #tellRemoval(event: Removal, cursor: Cursor): void {
    if (event.count <= this.#erased) return
    if (event.count > this.#erased + 1) return this.close("behind")
    this.#erased = event.count
    this.#write(event, cursor)
  }

  #write(event: ConversationEvent, cursor: Cursor): void {
    this.#written += 1
    if (this.#sink.write(event, cursor)) return
    this.#isFull = true
    this.#isLive = false
  }
}

/** How much of an entry's text a reader at this cursor has not seen, in UTF-16 units. */
function lengthAfter(cursor: Cursor, entry: LogEntry): number {
  if (entry.kind === "message") return entry.message.position > cursor.message ? entry.message.content.length : 0
  // Its text is that of the attempt before it.
  if (entry.kind === "end") return 0
  if (entry.reply.position !== cursor.reply) return entry.reply.position > cursor.reply ? entry.text.length : 0
  return entry.reply.attempt > cursor.attempt ? entry.text.length : Math.max(0, entry.text.length - cursor.offset)
}
