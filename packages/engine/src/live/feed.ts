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
import { earliest } from "./cursor-order.ts"
import { Follower } from "./follower.ts"
import type { ReplyEntry } from "./reply-entry.ts"

const alwaysReady = Promise.resolve()

/**
 * The live part of one conversation: entries that a reader may still need, and its readers.
 * An entry goes when its reply has ended and every reader has seen it; from then on the database serves it.
 */
export class Feed {
  readonly onGap: () => void
  #entries: LogEntry[] = []
  readonly #running = new Set<ReplyEntry>()
  readonly #followers = new Set<Follower>()

  /** @param onGap called when an entry came before what it follows, and waits */
  constructor(onGap: () => void) {
    this.onGap = onGap
  }

  get isIdle(): boolean {
    return this.#followers.size === 0 && this.#entries.length === 0
  }

  get hasFollowers(): boolean {
    return this.#followers.size > 0
  }

  /** Every reader has seen everything, and all that it has seen has ended. */
  get isSettled(): boolean {
    for (const follower of this.#followers) if (!follower.isCaughtUp || !follower.liveCursor?.ended) return false
    return true
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** The point that every reader which takes entries now has reached; null without such a reader. */
  get earliestCursor(): Cursor | null {
    return earliest([...this.#followers].flatMap(({ liveCursor }) => liveCursor ?? []))
  }

  /** The reply with that id whose text may still grow here. */
  findReply(replyId: string): ReplyEntry | null {
    return this.#findRunning(({ id }) => id === replyId)
  }

  findReplyAt(position: number): ReplyEntry | null {
    return this.#findRunning((reply) => reply.position === position)
  }

  /** Adds an entry. A reply's is one whose text may grow until `end` or `remove`. */
  publish(entry: LogEntry): void {
    this.#entries.push(entry)
    if (entry.kind === "reply") this.#running.add(entry)
    for (const follower of this.#followers) follower.take(entry)
    this.trim()
  }

  /** An entry of its own, since a reader that is behind must see it where the others saw it. */
  end(entry: ReplyEntry, end: ReplyEnd): void {
    this.#running.delete(entry)
    this.publish({ kind: "end", reply: entry.reply, end })
  }

  append(entry: ReplyEntry, text: string): void {
    const offset = entry.text.length
    entry.text += text
    const event: ConversationEvent = { type: "reply.delta", replyId: entry.reply.id, text }
    for (const follower of this.#followers) follower.takeDelta(entry, offset, event)
  }

  /** Gives readers what is stored after the cursor `after`. */
  takeStored(after: Cursor, stored: StoredEvents): void {
    for (const follower of this.#followers) follower.takeStored(after, stored)
    this.trim()
  }

  /** Readers are told at once, or as soon as they have seen what they wait for; nothing of its text stays here. */
  removeMessage(event: ConversationEvent & { type: "message.removed" }): void {
    const idOf = (entry: LogEntry) => (entry.kind === "message" ? entry.message.id : entry.reply.id)
    for (const entry of this.#running) if (idOf(entry) === event.messageId) this.#running.delete(entry)
    this.#entries = this.#entries.filter((entry) => idOf(entry) !== event.messageId)
    for (const follower of this.#followers) follower.takeRemoval(event)
  }

  /** Forgets a reply that is not told here any more. */
  remove(entry: ReplyEntry): void {
    this.#running.delete(entry)
    this.#entries = this.#entries.filter((other) => other !== entry)
  }

  /** Forgets everything but these. */
  keepOnly(kept: ReadonlySet<LogEntry>): void {
    for (const entry of this.#running) if (!kept.has(entry)) this.#running.delete(entry)
    this.#entries = this.#entries.filter((entry) => kept.has(entry))
  }

  trim(): void {
    for (const follower of this.#followers) if (!follower.isCaughtUp) return
    this.#entries = [...this.#running]
  }

  add(sink: EventSink, onStop: () => void, ready: Promise<void> = alwaysReady): Following {
    const stop = () => {
      if (!this.#followers.delete(follower)) return
      this.trim()
      onStop()
    }
    const follower = new Follower({ feed: this, sink, ready, onStop: stop })
    this.#followers.add(follower)
    return follower
  }

  close(reason: ReaderEnd): void {
    for (const follower of this.#followers) follower.close(reason)
  }

  #findRunning(isWanted: (reply: RunningReply) => boolean): ReplyEntry | null {
    for (const entry of this.#running) if (isWanted(entry.reply)) return entry
    return null
  }
}
