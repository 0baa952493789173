import type { ReplyEnd } from "../domain.ts"
import { encodeEntry, type LiveEntry } from "./live-entry.ts"
import type { LiveLink } from "./redis-link.ts"
import { channelOf, groupOf, streamKey, streamTtlMs } from "./redis-script.ts"
import type { ReplyEntry } from "./reply-entry.ts"

/** Entries after which the whole text is said again, so that a stream stays short. */
const maxEntries = 500
/** How long a running reply that has nothing to say is silent towards other nodes, and how long after a failure, in ms. */
const beatMs = 900

export interface OutgoingReplyOptions {
  origin: string
  entry: ReplyEntry
  link: LiveLink
  /** There is more to send, at the next turn of the shared timer. */
  onDirty: (reply: OutgoingReply) => void
  /** The end could not be told. */
  onLost: () => void
}

/**
 * One attempt of a reply on its way to other nodes. What is not yet sent is the rest of the reply's own text, so that
 * nothing piles up while Redis is away: at most one piece of text is on its way at a time. Whenever the stream is not
 * what this writer left, the whole text is said anew.
 */
export class OutgoingReply {
  readonly #options: OutgoingReplyOptions
  readonly #group: number
  #sequence = 0
  /** Id of the last entry that Redis confirmed; empty: the whole text is to be said. */
  #last = ""
  #entries = 0
  /** UTF-16 units confirmed. */
  #sent = 0
  #sentAtMs = 0
  #isSending = false
  #hasFailed = false
  #isOver = false

  constructor(options: OutgoingReplyOptions) {
    this.#options = options
    this.#group = groupOf(options.entry.reply)
  }

  /** Sends what is new. @param isBeat also says that there is nothing new, when nothing was said for a while */
  flush(isBeat = false): void {
    const { entry, link } = this.#options
    if (this.#isOver || this.#isSending || !link.isUp) return
    const isQuiet = performance.now() - this.#sentAtMs >= beatMs
    if (this.#hasFailed && !isQuiet) return
    const { reply, text } = entry
    const length = text.length
    const { position, attempt } = reply
    if (this.#last === "" || this.#entries >= maxEntries) {
      void this.#send({ type: "whole", reply, text, end: null }, length)
    } else if (length > this.#sent) {
      const rest = text.slice(this.#sent)
      void this.#send({ type: "text", position, attempt, offset: this.#sent, text: rest }, length)
    } else if (isBeat && isQuiet) {
      void this.#send({ type: "beat", position, attempt, length }, length)
    }
  }

  /** Goes out at once: commands of one connection arrive in order, also behind a piece of text on its way. */
  end(end: ReplyEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    const { entry, link, onLost } = this.#options
    if (!link.isUp) return onLost()
    const whole: LiveEntry = { type: "whole", reply: entry.reply, text: "", end }
    this.#append(whole).catch(onLost)
  }

  abandon(): void {
    this.#isOver = true
  }

  async #send(entry: LiveEntry, length: number): Promise<void> {
    this.#isSending = true
    this.#sentAtMs = performance.now()
    try {
      const outcome = await this.#append(entry)
      this.#hasFailed = false
      if (outcome === "fenced") this.#isOver = true
      else if (outcome === "behind") this.#last = ""
      else this.#sent = length
    } catch {
      // Whether it arrived is unknown; a later beat says the whole text.
      this.#last = ""
      this.#hasFailed = true
      return
    } finally {
      this.#isSending = false
    }
    if (this.#last === "" || this.#options.entry.text.length > this.#sent) this.#options.onDirty(this)
  }

  async #append(entry: LiveEntry): Promise<string> {
    const { origin, link, entry: reply } = this.#options
    const { conversationId } = reply.reply
    const isWhole = entry.type === "whole"
    const isStored = entry.type !== "beat"
    if (isStored) this.#sequence += 1
    const sequence = this.#sequence
    const outcome = await link.append(streamKey(conversationId), [
      channelOf(conversationId),
      this.#group,
      sequence,
      isWhole ? "" : this.#last,
      encodeEntry(origin, entry),
      streamTtlMs,
      isStored ? "1" : "0",
    ])
    if (outcome === "done" && isStored) {
      this.#last = `${this.#group}-${sequence}`
      this.#entries = isWhole ? 1 : this.#entries + 1
    }
    return outcome
  }
}
