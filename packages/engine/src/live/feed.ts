import type { ConversationEvent, Cursor, EventSink, Following, LogEntry } from "../ports.ts"
import { earliest } from "./cursor-order.ts"
import { Follower } from "./follower.ts"
import type { ReplyEntry } from "./reply-entry.ts"

const alwaysReady = Promise.resolve()

/**
 * The live part of one conversation: entries that a reader may still need, and its readers.
 * An entry goes when its reply has ended and every reader has seen it; from then on the database serves it.
 */
export class Feed {
  readonly onGap: (() => void) | null
  #entries: LogEntry[] = []
  readonly #followers = new Set<Follower>()

  /** @param onGap called when an entry came before what it follows, and waits; null where that cannot be */
  constructor(onGap: (() => void) | null = null) {
    this.onGap = onGap
  }

  get isIdle(): boolean {
    return this.#followers.size === 0 && this.#entries.length === 0
  }

  get hasFollowers(): boolean {
    return this.#followers.size > 0
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** The point that every reader which takes entries now has reached; null without such a reader. */
  get earliestCursor(): Cursor | null {
    return earliest([...this.#followers].flatMap(({ liveCursor }) => liveCursor ?? []))
  }

  findReply(replyId: string): ReplyEntry | null {
    return (
      this.#entries.find((entry): entry is ReplyEntry => entry.kind === "reply" && entry.reply.id === replyId) ?? null
    )
  }

  findReplyAt(position: number): ReplyEntry | null {
    return (
      this.#entries.find((entry): entry is ReplyEntry => entry.kind === "reply" && entry.reply.position === position) ??
      null
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

  /** Gives readers what is stored after the cursor `after`. */
  takeStored(after: Cursor, stored: LogEntry[]): void {
    for (const follower of this.#followers) follower.takeStored(after, stored)
    this.trim()
  }

  /** Readers are told at once, or as soon as they have seen what they wait for. */
  removeMessage(event: ConversationEvent & { type: "message.removed" }): void {
    this.#entries = this.#entries.filter((entry) => entry.kind !== "message" || entry.message.id !== event.messageId)
    for (const follower of this.#followers) follower.takeRemoval(event)
  }

  remove(entry: LogEntry): void {
    this.#entries = this.#entries.filter((other) => other !== entry)
  }

  trim(): void {
    for (const follower of this.#followers) if (!follower.isCaughtUp) return
    this.#entries = this.#entries.filter((entry) => entry.kind === "reply" && entry.end === null)
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

  close(reason: "deleted" | "too_slow"): void {
    for (const follower of this.#followers) follower.close(reason)
  }
}
