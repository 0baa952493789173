import { ChatError } from "../core/errors.ts"
import { within } from "../core/within.ts"
import type { ReplyEnd } from "../domain.ts"
import type { Cursor, EventSink, Following, LogEntry, StoredReader } from "../live-ports.ts"
import { Feed } from "./feed.ts"
import { decodeEntry, type LiveEntry } from "./live-entry.ts"
import type { LiveLink } from "./redis-link.ts"
import { channelOf, streamKey } from "./redis-script.ts"
import { RemoteReplies } from "./remote-replies.ts"
import type { ReplyEntry } from "./reply-entry.ts"

/** A connect waits this long at most for Redis, in ms. */
const readyTimeoutMs = 250
/** Looks at the database are this far apart at least, in ms. */
const lookIntervalMs = 1000
/** How long a reply elsewhere may be silent before the database is asked, in ms: three beats. */
const silenceMs = 3000
/** How often the stream is read at most, in ms. */
const readIntervalMs = 500

export interface SharedConversationOptions {
  id: string
  origin: string
  /** Null where there are no other nodes. */
  link: LiveLink | null
  /** Monotonic, in ms. */
  now: () => number
  /** It is to be looked after until it is quiet; when that is urgent, soon. */
  onAwake: (isUrgent: boolean) => void
  onReadersGone: () => void
}

/**
 * A conversation that this node holds: its feed, and while it has readers what other nodes tell of it. What was missed is
 * read from the stream, and what nobody told, here or there, is read from the database, as far as readers here need it.
 */
export class SharedConversation {
  readonly feed: Feed
  /** Replies that are written here. */
  readonly #local = new Set<ReplyEntry>()
  readonly #options: SharedConversationOptions
  readonly #remote: RemoteReplies
  readonly #sources = new Set<{ read: StoredReader }>()
  #ready: Promise<void> = Promise.resolve()
  /** What comes while the stream is read; it is taken after that. */
  #held: LiveEntry[] | null = null
  #readAtMs = Number.NEGATIVE_INFINITY
  #isBehind = false
  #needsLook = false
  #isLooking = false
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #pollAtMs = 0

  constructor(options: SharedConversationOptions) {
    this.#options = options
    this.feed = new Feed(() => this.needLook())
    this.#remote = new RemoteReplies(this.feed, this.#local, options.now)
  }

  /** Nothing is under way, every reader knows all there is, and what comes will be told. */
  get isQuiet(): boolean {
    const hasAll = !this.#needsLook && !this.#isBehind && !this.#isLooking && this.#held === null
    return hasAll && this.#isLinkUp && !this.#remote.isReplyDue && this.feed.isSettled
  }

  get #isLinkUp(): boolean {
    return this.#options.link?.isUp ?? true
  }

  follow(sink: EventSink, stored: StoredReader): Following {
    this.#options.onAwake(false)
    if (!this.feed.hasFollowers) {
      const { link } = this.#options
      if (link !== null) this.#ready = within(readyTimeoutMs, this.#join(link))
      this.#remote.hear()
      this.pollLater()
    }
    const source = { read: stored }
    const onStop = () => {
      this.#sources.delete(source)
      if (!this.feed.hasFollowers) this.#leave()
    }
    this.#sources.add(source)
    return this.feed.add(sink, onStop, this.#ready)
  }

  announce(entry: Extract<LogEntry, { kind: "message" }>): void {
    this.#options.onAwake(false)
    this.#remote.expect(entry.message.position + 1)
    this.feed.publish(entry)
  }

  /** Begins to write an attempt here. What is written after another node has begun a later one is heard by nobody. */
  start(entry: ReplyEntry): void {
    const known = this.feed.findReply(entry.reply.id)
    if (known !== null && known.reply.attempt > entry.reply.attempt) return
    this.#options.onAwake(false)
    if (known !== null) {
      this.feed.remove(known)
      this.#local.delete(known)
    }
    this.#local.add(entry)
    this.#remote.expect(entry.reply.position)
    this.feed.publish(entry)
  }

  append(entry: ReplyEntry, text: string): void {
    if (this.#local.has(entry)) this.feed.append(entry, text)
    else entry.text += text
  }

  /** Ends what is written here. */
  end(entry: ReplyEntry, end: ReplyEnd): void {
    if (!this.#local.delete(entry)) return
    this.#remote.ended(entry.reply.position)
    this.feed.end(entry, end)
  }

  abandon(entry: ReplyEntry): void {
    if (this.#local.delete(entry)) this.feed.remove(entry)
  }

  /** What another node tells. */
  receive(entry: LiveEntry): void {
    this.#options.onAwake(false)
    if (this.#held !== null) this.#held.push(entry)
    else this.#take(entry)
  }

  /** What Redis may not have said is to be read from the database. */
  needLook(): void {
    this.#needsLook = true
    this.#options.onAwake(true)
  }

  /** After Redis was away: what was published meanwhile is in the stream, or in the database. Never rejects. */
  async rejoin(): Promise<void> {
    this.needLook()
    await this.#read().catch(() => this.needLook())
  }

  pollLater(): void {
    this.#options.onAwake(false)
    const isRunningElsewhere = this.#remote.isReplyDue && this.#local.size === 0
    this.#pollAtMs = this.#options.now() + (isRunningElsewhere ? lookIntervalMs : 2000 + Math.random() * 1000)
  }

  /** To be called a few times a second: reads the stream when it is ahead. */
  catchUp(): void {
    if (this.#isBehind) this.#reread()
  }

  /** Whether the database should be read for the readers here. */
  isLookDue(nowMs: number): boolean {
    if (this.#isLooking || !this.feed.hasFollowers) return false
    const isPaced = nowMs - this.#lookedAtMs >= lookIntervalMs
    if (this.#needsLook) return isPaced
    if (!this.#isLinkUp) return isPaced && nowMs >= this.#pollAtMs
    const isSilent = this.#local.size === 0 && nowMs - this.#remote.heardAtMs >= silenceMs
    return isPaced && isSilent && (this.#remote.isReplyDue || this.feed.earliestCursor?.ended === false)
  }

  /** Reads the database once, and gives it to the readers. Never rejects. */
  async look(): Promise<void> {
    const after = this.feed.earliestCursor
    const [source] = this.#sources
    if (this.#isLooking || after === null || source === undefined) return
    this.#isLooking = true
    this.#needsLook = false
    this.#lookedAtMs = this.#options.now()
    try {
      this.#takeStored(after, await source.read(after))
    } catch (error) {
      if (error instanceof ChatError && error.code === "not_found") this.feed.close("deleted")
      else this.#needsLook = true
    } finally {
      this.#isLooking = false
      this.pollLater()
    }
  }

  #takeStored(after: Cursor, stored: Awaited<ReturnType<StoredReader>>): void {
    // Its readers come back with their cursors, and get snapshots.
    if (stored === null) return this.feed.close("behind")
    this.feed.takeStored(after, stored)
    this.#remote.takeStored(stored)
  }

  async #join(link: LiveLink): Promise<void> {
    const { id } = this.#options
    try {
      // Subscribed first: what comes between the two is not missed.
      await link.subscribe(channelOf(id))
      await this.#read()
    } catch {
      this.needLook()
    }
    // A reader that could not wait has read the database before the subscription held.
    if (this.feed.earliestCursor !== null) this.needLook()
  }

  #leave(): void {
    this.#options.link?.unsubscribe(channelOf(this.#options.id))
    this.#remote.forget()
    this.#needsLook = false
    this.#isBehind = false
    this.#options.onReadersGone()
  }

  #reread(): void {
    this.#isBehind = true
    if (this.#held !== null || this.#options.now() - this.#readAtMs < readIntervalMs) return
    this.#read().catch(() => this.needLook())
  }

  async #read(): Promise<void> {
    const { link, id, origin } = this.#options
    if (link === null || !link.isUp || this.#held !== null) return
    const held: LiveEntry[] = []
    this.#held = held
    this.#readAtMs = this.#options.now()
    this.#isBehind = false
    try {
      for (const payload of await link.read(streamKey(id))) {
        const told = decodeEntry(payload)
        if (told !== null && told.origin !== origin) this.#take(told.entry)
      }
    } finally {
      this.#held = null
      for (const entry of held) this.#take(entry)
    }
  }

  #take(entry: LiveEntry): void {
    if (!this.feed.hasFollowers) return
    switch (entry.type) {
      case "message": {
        const { message, replyId, foundIdle = false } = entry
        return this.announce({ kind: "message", message, replyId, foundIdle })
      }
      case "whole":
        return this.#remote.takeWhole(entry)
      case "text":
      case "beat":
        if (!this.#remote.takeMore(entry)) this.#reread()
        return
      case "look":
        return this.needLook()
      case "removed":
        return this.feed.removeMessage({ type: "message.removed", messageId: entry.messageId, count: entry.count })
      case "dropped":
        return this.feed.close("deleted")
    }
  }
}
