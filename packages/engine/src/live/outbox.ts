import type { ReplyEnd } from "../domain.ts"
import { encodeEntry, type LiveEntry } from "./live-entry.ts"
import { OutgoingReply } from "./outgoing-reply.ts"
import type { LiveLink } from "./redis-link.ts"
import { channelOf, streamKey, streamTtlMs } from "./redis-script.ts"
import type { ReplyEntry } from "./reply-entry.ts"

/** How long text waits for more of it, in ms. */
const coalesceMs = 30
/** How often running replies that are silent are looked after, in ms. */
const beatIntervalMs = 300
/** Conversations remembered at most, of which something could not be told. */
const maxLost = 10_000

/** What could not be told, in order of weight: the heavier one counts. */
const weights = { told: 0, erased: 1, dropped: 2 }
type Lost = keyof typeof weights

/** What this node tells the others. Nothing here waits for Redis, and nothing but conversation ids waits for its return. */
export class Outbox {
  readonly #origin: string
  readonly #link: LiveLink
  readonly #open = new Set<OutgoingReply>()
  readonly #dirty = new Set<OutgoingReply>()
  readonly #lost = new Map<string, Lost>()
  readonly #beatTimer: NodeJS.Timeout
  #flushTimer: NodeJS.Timeout | null = null

  constructor(origin: string, link: LiveLink) {
    this.#origin = origin
    this.#link = link
    this.#beatTimer = setInterval(() => this.#beat(), beatIntervalMs).unref()
  }

  /** Tells something that no stream keeps; should that fail, readers are told to look when Redis is back. */
  tell(conversationId: string, entry: LiveEntry): void {
    const onLost = () => this.#lose(conversationId, "told")
    if (!this.#link.isUp) return onLost()
    this.#link.publish(channelOf(conversationId), encodeEntry(this.#origin, entry)).catch(onLost)
  }

  /** Takes the text of the last reply out of Redis, since it may be the one that was erased, and tells what happened. */
  erase(conversationId: string, entry: LiveEntry): void {
    const onLost = () => this.#lose(conversationId, "erased")
    if (!this.#link.isUp) return onLost()
    const payload = encodeEntry(this.#origin, entry)
    this.#link.erase(streamKey(conversationId), [channelOf(conversationId), payload]).catch(onLost)
  }

  drop(conversationId: string): void {
    const payload = encodeEntry(this.#origin, { type: "dropped" })
    const onLost = () => this.#lose(conversationId, "dropped")
    if (!this.#link.isUp) return onLost()
    this.#link.drop(streamKey(conversationId), [channelOf(conversationId), payload, streamTtlMs]).catch(onLost)
  }

  start(entry: ReplyEntry): { append: () => void; end: (end: ReplyEnd) => void; abandon: () => void } {
    const reply = new OutgoingReply({
      origin: this.#origin,
      entry,
      link: this.#link,
      onDirty: (dirty) => this.#flushSoon(dirty),
      onLost: () => this.#lose(entry.reply.conversationId, "told"),
    })
    const forget = () => {
      this.#open.delete(reply)
      this.#dirty.delete(reply)
    }
    this.#open.add(reply)
    reply.flush()
    return {
      append: () => this.#flushSoon(reply),
      end: (end) => {
        forget()
        reply.end(end)
      },
      abandon: () => {
        forget()
        reply.abandon()
      },
    }
  }

  /** Redis is back: says what runs here, and where something was missed. */
  resume(): void {
    for (const reply of this.#open) reply.flush()
    this.#tellLost()
  }

  close(): void {
    clearInterval(this.#beatTimer)
    if (this.#flushTimer !== null) clearTimeout(this.#flushTimer)
    this.#open.clear()
    this.#dirty.clear()
  }

  #beat(): void {
    for (const reply of this.#open) reply.flush(true)
    // Redis may refuse to store, and publish all the same.
    if (this.#link.isUp) this.#tellLost()
  }

  #tellLost(): void {
    const lost = [...this.#lost]
    this.#lost.clear()
    for (const [conversationId, what] of lost) {
      if (what === "dropped") this.drop(conversationId)
      else if (what === "erased") this.erase(conversationId, { type: "look" })
      else this.tell(conversationId, { type: "look" })
    }
  }

  #flushSoon(reply: OutgoingReply): void {
    if (!this.#open.has(reply)) return
    this.#dirty.add(reply)
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = null
      const dirty = [...this.#dirty]
      this.#dirty.clear()
      for (const one of dirty) one.flush()
    }, coalesceMs)
  }

  #lose(conversationId: string, what: Lost): void {
    const known = this.#lost.get(conversationId)
    if (known === undefined ? this.#lost.size < maxLost : weights[what] > weights[known])
      this.#lost.set(conversationId, what)
  }
}
