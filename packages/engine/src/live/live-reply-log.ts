import { randomUUID } from "node:crypto"
import type { Message, ReplyEnd, RunningReply } from "../domain.ts"
import type { EventSink, Following, ReplyLog, ReplyWriter, StoredReader } from "../live-ports.ts"
import { decodeEntry } from "./live-entry.ts"
import { Outbox } from "./outbox.ts"
import type { LinkEvents, LiveLink } from "./redis-link.ts"
import { channelOf } from "./redis-script.ts"
import type { ReplyEntry } from "./reply-entry.ts"
import { SharedConversation } from "./shared-conversation.ts"

export interface LiveReplyLogOptions {
  /** Makes the way to other nodes; null where there are none. */
  connect: ((events: LinkEvents) => LiveLink) | null
  /** Called when the link begins or ceases to work, once per change; `error` says why it does not. */
  onChange?: (isUp: boolean, error: Error | null) => void
  /** Called when Redis begins or ceases to refuse what it is told to store, once per change. */
  onRefusal?: (error: Error | null) => void
  /** `tick` should be called soon, not at its next turn. */
  onRestless: () => void
  /** Monotonic, in ms. */
  now: () => number
}

/** Conversations read from the database at once, by all readers of this node together. */
const maxLooks = 4
/** Streams read at once when Redis is back. */
const maxRejoins = 100

/**
 * The live part of conversations. Readers here are served by the feeds of this process, at once. Other nodes are told
 * through Redis, and what they tell comes into the same feeds. What nobody told here is read from the database.
 */
export class LiveReplyLog implements ReplyLog {
  readonly #origin = randomUUID()
  readonly #link: LiveLink | null
  readonly #outbox: Outbox | null
  readonly #options: LiveReplyLogOptions
  readonly #conversations = new Map<string, SharedConversation>()
  readonly #channels = new Map<string, SharedConversation>()
  /** Conversations that may have missed something, or soon will: the others cost nothing. */
  readonly #awake = new Set<SharedConversation>()
  /** Conversations to be read from the database, in order of need. */
  readonly #queue = new Set<SharedConversation>()
  #looks = 0

  constructor(options: LiveReplyLogOptions) {
    this.#options = options
    this.#link =
      options.connect?.({
        onMessage: (channel, payload) => this.#receive(channel, payload),
        onChange: (isUp, error) => {
          options.onChange?.(isUp, error)
          if (isUp) void this.#resume()
          else for (const conversation of this.#conversations.values()) conversation.pollLater()
        },
        onRefusal: (error) => options.onRefusal?.(error),
      }) ?? null
    this.#outbox = this.#link && new Outbox(this.#origin, this.#link)
  }

  /** What is wrong with the link; null where nothing is, or where there is none. */
  get trouble(): Error | null {
    return this.#link?.trouble ?? null
  }

  /** Conversations that hold memory now. */
  get size(): number {
    return this.#conversations.size
  }

  announce(message: Message, replyId: string, foundIdle: boolean): void {
    const { conversationId } = message
    this.#conversation(conversationId).announce({ kind: "message", message, replyId, foundIdle })
    this.#forgetIfIdle(conversationId)
    this.#outbox?.tell(conversationId, { type: "message", message, replyId, foundIdle })
  }

  start(reply: RunningReply): ReplyWriter {
    const { conversationId } = reply
    const conversation = this.#conversation(conversationId)
    const entry: ReplyEntry = { kind: "reply", reply, text: "" }
    conversation.start(entry)
    const outgoing = this.#outbox?.start(entry) ?? null
    return new LocalReply(entry, conversation, outgoing, () => this.#forgetIfIdle(conversationId))
  }

  follow(conversationId: string, sink: EventSink, stored: StoredReader): Following {
    const conversation = this.#conversation(conversationId)
    if (this.#link !== null) this.#channels.set(channelOf(conversationId), conversation)
    return conversation.follow(sink, stored)
  }

  remove(conversationId: string, messageId: string, count: number): void {
    this.#conversations.get(conversationId)?.feed.removeMessage({ type: "message.removed", messageId, count })
    this.#outbox?.erase(conversationId, { type: "removed", messageId, count })
  }

  drop(conversationId: string): void {
    this.#conversations.get(conversationId)?.feed.close("deleted")
    this.#outbox?.drop(conversationId)
  }

  look(conversationId: string): void {
    this.#conversations.get(conversationId)?.needLook()
    this.#outbox?.tell(conversationId, { type: "look" })
  }

  /** To be called a few times a second: looks after what was not told. */
  tick(): void {
    const nowMs = this.#options.now()
    for (const conversation of this.#awake) {
      conversation.catchUp()
      if (conversation.isLookDue(nowMs)) this.#queue.add(conversation)
      else if (conversation.isQuiet) this.#awake.delete(conversation)
    }
    this.#lookNext()
  }

  /** Ends the link; readers hear nothing more of other nodes. */
  close(): void {
    this.#queue.clear()
    this.#awake.clear()
    this.#outbox?.close()
    this.#link?.close()
  }

  #conversation(id: string): SharedConversation {
    const known = this.#conversations.get(id)
    if (known !== undefined) return known
    const conversation = new SharedConversation({
      id,
      origin: this.#origin,
      link: this.#link,
      now: this.#options.now,
      onAwake: (isUrgent) => {
        this.#awake.add(conversation)
        if (isUrgent) this.#options.onRestless()
      },
      onReadersGone: () => {
        this.#channels.delete(channelOf(id))
        this.#awake.delete(conversation)
        this.#queue.delete(conversation)
        this.#forgetIfIdle(id)
      },
    })
    this.#conversations.set(id, conversation)
    return conversation
  }

  #forgetIfIdle(id: string): void {
    const conversation = this.#conversations.get(id)
    if (conversation?.feed.isIdle !== true) return
    this.#conversations.delete(id)
    this.#awake.delete(conversation)
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
    this.#outbox?.resume()
    const conversations = [...this.#channels.values()]
    for (let start = 0; start < conversations.length; start += maxRejoins)
      await Promise.all(conversations.slice(start, start + maxRejoins).map((conversation) => conversation.rejoin()))
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

/** A reply that is written here: told to the readers here, and to other nodes. */
class LocalReply implements ReplyWriter {
  readonly #entry: ReplyEntry
  readonly #conversation: SharedConversation
  readonly #outgoing: ReturnType<Outbox["start"]> | null
  readonly #onOver: () => void

  /** @param onOver called when nothing more is written to it */
  constructor(
    entry: ReplyEntry,
    conversation: SharedConversation,
    outgoing: ReturnType<Outbox["start"]> | null,
    onOver: () => void,
  ) {
    this.#entry = entry
    this.#conversation = conversation
    this.#outgoing = outgoing
    this.#onOver = onOver
  }

  get text(): string {
    return this.#entry.text
  }

  append(text: string): void {
    this.#conversation.append(this.#entry, text)
    this.#outgoing?.append()
  }

  end(end: ReplyEnd): void {
    this.#conversation.end(this.#entry, end)
    this.#onOver()
    this.#outgoing?.end(end)
  }

  abandon(): void {
    this.#conversation.abandon(this.#entry)
    this.#onOver()
    this.#outgoing?.abandon()
  }
}
