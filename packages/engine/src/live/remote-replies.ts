import type { StoredEvents } from "../live-ports.ts"
import type { Feed } from "./feed.ts"
import type { LiveEntry } from "./live-entry.ts"
import type { ReplyEntry } from "./reply-entry.ts"

/**
 * Replies that run on other nodes, in one conversation's feed. All texts of one attempt, whoever brings them, are
 * beginnings of the same text, so that the longer one is the newer one.
 */
export class RemoteReplies {
  readonly #feed: Feed
  readonly #local: Set<ReplyEntry>
  readonly #now: () => number
  /** Highest position of a reply that is known to have ended. */
  #ended = -1
  /** Highest position of a reply that was heard of. */
  #expected = -1
  #heardAtMs = 0

  /** @param local replies that are written here */
  constructor(feed: Feed, local: Set<ReplyEntry>, now: () => number) {
    this.#feed = feed
    this.#local = local
    this.#now = now
  }

  /** A reply runs, or waits to begin. */
  get isReplyDue(): boolean {
    return this.#expected > this.#ended
  }

  /** When something of a reply was last heard, on the monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs
  }

  hear(): void {
    this.#heardAtMs = this.#now()
  }

  expect(position: number): void {
    this.#expected = Math.max(this.#expected, position)
    this.hear()
  }

  ended(position: number): void {
    this.#ended = Math.max(this.#ended, position)
    this.hear()
  }

  takeWhole({ reply, text, end }: Extract<LiveEntry, { type: "whole" }>): void {
    if (end === null && reply.position <= this.#ended) return
    if (end === null) this.expect(reply.position)
    else this.ended(reply.position)
    const full = end?.message.content ?? text
    const known = this.#feed.findReply(reply.id)
    if (known === null || known.reply.attempt < reply.attempt) {
      if (known !== null) this.#remove(known)
      const entry: ReplyEntry = { kind: "reply", reply, text: full }
      this.#feed.publish(entry)
      if (end !== null) this.#feed.end(entry, end)
    } else if (known.reply.attempt === reply.attempt && !this.#local.has(known)) {
      this.#extend(known, full)
      if (end !== null) this.#feed.end(known, end)
    }
  }

  /** False when something before it was missed. */
  takeMore(entry: Extract<LiveEntry, { type: "text" | "beat" }>): boolean {
    if (entry.position <= this.#ended) return true
    const known = this.#feed.findReplyAt(entry.position)
    if (known !== null && known.reply.attempt > entry.attempt) return true
    const from = entry.type === "text" ? entry.offset : entry.length
    if (known === null || known.reply.attempt < entry.attempt || known.text.length < from) return false
    this.hear()
    if (entry.type === "text" && !this.#local.has(known)) {
      const rest = entry.text.slice(known.text.length - entry.offset)
      if (rest !== "") this.#feed.append(known, rest)
    }
    return true
  }

  /** What the database has; readers were given it. */
  takeStored({ entries, isUnderWay }: StoredEvents): void {
    for (const entry of entries) if (entry.kind === "end") this.ended(entry.reply.position)
    for (const entry of entries) {
      if (entry.kind === "message") continue
      const { reply } = entry
      const known = this.#feed.findReply(reply.id)
      if (known !== null && this.#local.has(known) && known.reply.attempt >= reply.attempt) continue
      if (entry.kind === "reply" && reply.position > this.#ended) this.#takeRunning(known, entry)
      else if (known !== null) this.#remove(known)
    }
    this.#expected = isUnderWay ? Math.max(this.#expected, this.#ended + 1) : this.#ended
  }

  /** The readers have gone: only what is written here stays. */
  forget(): void {
    this.#feed.keepOnly(this.#local)
    this.#expected = -1
    this.#ended = -1
  }

  #takeRunning(known: ReplyEntry | null, stored: ReplyEntry): void {
    if (known !== null && known.reply.attempt > stored.reply.attempt) return
    if (known?.reply.attempt === stored.reply.attempt) return this.#extend(known, stored.text)
    if (known !== null) this.#remove(known)
    this.#feed.publish(stored)
  }

  #extend(known: ReplyEntry, text: string): void {
    if (text.length > known.text.length) this.#feed.append(known, text.slice(known.text.length))
  }

  /** A later attempt exists, so that what is still written here is no longer the reply. */
  #remove(known: ReplyEntry): void {
    this.#feed.remove(known)
    this.#local.delete(known)
  }
}
