import { randomUUID } from "node:crypto"
import type { Message, RunningReply } from "../domain.ts"
import type { EventSink, Following, ReplyLog, ReplyWriter, StoredReader } from "../ports.ts"
import { decodeEntry } from "./live-entry.ts"
import { Outbox } from "./outbox.ts"
import { RedisLink } from "./redis-link.ts"
import { channelOf } from "./redis-script.ts"
import type { ReplyEntry } from "./reply-entry.ts"
import { SharedConversation } from "./shared-conversation.ts"

export interface RedisReplyLogOptions {
  /** `redis://` or `rediss://`. */
  url: string
  /** Called when Redis begins or ceases to answer, once per change; `error` says why it does not. */
  onChange: (isUp: boolean, error: Error | null) => void
}

/** How often is looked after what Redis did not say, and how soon when that is known, in ms. */
const tickMs = 250
const soonMs = 50
/** Conversations read from the database at once, by all readers of this node together. */
const maxLooks = 4
/** Streams read at once when Redis is back. */
const maxRejoins = 100
/** How long the start of a node waits for Redis, in ms. */
const openTimeoutMs = 1500

/** Live replies of many nodes. Resolves whether or not Redis answers: it is never the truth, and never in the way. */
export async function openRedisReplyLog(options: RedisReplyLogOptions): Promise<RedisReplyLog> {
  const { promise: changed, resolve } = Promise.withResolvers<void>()
  let isKnown = false
  const log = new RedisReplyLog({
    ...options,
    onChange: (isUp, error) => {
      isKnown = true
      resolve()
      options.onChange(isUp, error)
    },
  })
  const timer = setTimeout(resolve, openTimeoutMs)
  await changed
  clearTimeout(timer)
  if (!isKnown) options.onChange(false, log.trouble)
  return log
}

/**
 * Readers here are served by the feeds of this process, at once. Other nodes are told through Redis, and what they tell
 * comes into the same feeds. Where Redis fails, readers are served what the database has.
 */
export class RedisReplyLog implements ReplyLog {
  readonly #origin = randomUUID()
  readonly #link: RedisLink
  readonly #outbox: Outbox
  readonly #conversations = new Map<string, SharedConversation>()
  readonly #channels = new Map<string, SharedConversation>()
  /** Conversations to be read from the database, in order of need. */
  readonly #queue = new Set<SharedConversation>()
  readonly #tickTimer: NodeJS.Timeout
  #soonTimer: NodeJS.Timeout | null = null
  #looks = 0

  constructor({ url, onChange }: RedisReplyLogOptions) {
    this.#link = new RedisLink({
      url,
      onMessage: (channel, payload) => this.#receive(channel, payload),
      onChange: (isUp, error) => {
        onChange(isUp, error)
        if (isUp) void this.#resume()
        else for (const conversation of this.#conversations.values()) conversation.pollLater()
      },
    })
    this.#outbox = new Outbox(this.#origin, this.#link)
    this.#tickTimer = setInterval(() => this.#tick(), tickMs).unref()
  }

  get isUp(): boolean {
    return this.#link.isUp
  }

  get trouble(): Error | null {
    return this.#link.trouble
  }

  /** Conversations that hold memory now. */
  get size(): number {
    return this.#conversations.size
  }

  announce(message: Message, replyId: string): void {
    const { conversationId } = message
    this.#conversation(conversationId).announce({ kind: "message", message, replyId })
    this.#forgetIfIdle(conversationId)
    this.#outbox.tell(conversationId, { type: "message", message, replyId })
  }

  start(reply: RunningReply): ReplyWriter {
    const { conversationId } = reply
    const conversation = this.#conversation(conversationId)
    const entry: ReplyEntry = { kind: "reply", reply, text: "", end: null }
    conversation.start(entry)
    const outgoing = this.#outbox.start(entry)
    return {
      get text() {
        return entry.text
      },
      append: (text) => {
        conversation.append(entry, text)
        outgoing.append()
      },
      end: (end) => {
        conversation.end(entry, end)
        this.#forgetIfIdle(conversationId)
        outgoing.end(end)
      },
      abandon: () => {
        conversation.abandon(entry)
        this.#forgetIfIdle(conversationId)
        outgoing.abandon()
      },
    }
  }

  follow(conversationId: string, sink: EventSink, stored: StoredReader): Following {
    const conversation = this.#conversation(conversationId)
    this.#channels.set(channelOf(conversationId), conversation)
    return conversation.follow(sink, stored)
  }

  remove(conversationId: string, messageId: string, count: number): void {
    this.#conversations.get(conversationId)?.feed.removeMessage({ type: "message.removed", messageId, count })
    this.#outbox.tell(conversationId, { type: "removed", messageId, count })
  }

  drop(conversationId: string): void {
    this.#conversations.get(conversationId)?.feed.close("deleted")
    this.#outbox.drop(conversationId)
  }

  /** @throws Error that says why Redis cannot be used */
  async ping(): Promise<void> {
    const { trouble } = this.#link
    if (trouble !== null) throw trouble
  }

  /** Ends the connections and timers; readers hear nothing more of other nodes. */
  async close(): Promise<void> {
    clearInterval(this.#tickTimer)
    if (this.#soonTimer !== null) clearTimeout(this.#soonTimer)
    this.#queue.clear()
    this.#outbox.close()
    this.#link.close()
  }

  #conversation(id: string): SharedConversation {
    const known = this.#conversations.get(id)
    if (known !== undefined) return known
    const conversation = new SharedConversation({
      id,
      origin: this.#origin,
      link: this.#link,
      onRestless: () => this.#tickSoon(),
      onReadersGone: () => {
        this.#channels.delete(channelOf(id))
        this.#queue.delete(conversation)
        this.#forgetIfIdle(id)
      },
    })
    this.#conversations.set(id, conversation)
    return conversation
  }

  #forgetIfIdle(id: string): void {
    if (this.#conversations.get(id)?.feed.isIdle === true) this.#conversations.delete(id)
  }

  #receive(channel: string, payload: string): void {
    const conversation = this.#channels.get(channel)
    if (conversation === undefined) return
    const told = decodeEntry(payload)
    if (told === null) conversation.needLook()
    else if (told.origin !== this.#origin) conversation.receive(told.entry)
  }

  /** Never rejects. */
  async #resume(): Promise<void> {
    this.#outbox.resume()
    const conversations = [...this.#channels.values()]
    for (let start = 0; start < conversations.length; start += maxRejoins)
      await Promise.all(conversations.slice(start, start + maxRejoins).map((conversation) => conversation.rejoin()))
  }

  #tickSoon(): void {
    this.#soonTimer ??= setTimeout(() => {
      this.#soonTimer = null
      this.#tick()
    }, soonMs)
  }

  #tick(): void {
    const nowMs = performance.now()
    for (const conversation of this.#channels.values()) {
      conversation.catchUp()
      if (conversation.isLookDue(nowMs)) this.#queue.add(conversation)
    }
    this.#lookNext()
  }

  #lookNext(): void {
    for (const conversation of this.#queue) {
      if (this.#looks >= maxLooks) return
      this.#queue.delete(conversation)
      void this.#look(conversation)
    }
  }

  /** Never rejects. */
  async #look(conversation: SharedConversation): Promise<void> {
    this.#looks += 1
    await conversation.look()
    this.#looks -= 1
    this.#lookNext()
  }
}
