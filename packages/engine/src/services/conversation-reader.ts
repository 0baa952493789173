import { limits } from "@grizz/protocol/constants"
import { ChatError } from "../core/errors.ts"
import type { Conversation, Message, RunningReply } from "../domain.ts"
import type { Cursor, EventSink, Following, LogEntry, ReplyLog, StoredEvents } from "../live-ports.ts"
import type { ConversationView, ReplyStore } from "../ports.ts"
import { decodeCursor } from "./cursor.ts"

/** Where a reader begins: at its own cursor, or at a snapshot. */
export interface Beginning {
  conversation: Conversation
  cursor: Cursor
  /** How many messages were erased from the conversation: part of every cursor. */
  erased: number
  /** Null when the reader's own cursor was honoured. */
  snapshot: {
    messages: Message[]
    reply: (RunningReply & { text: string }) | null
    queued: { replyId: string; messageId: string }[]
  } | null
}

export interface ReaderSink extends EventSink {
  /** Comes once, before every event. */
  begin(beginning: Beginning): void
}

/** Reads a conversation from a cursor on: subscribes, reads what is stored, then drops what that already covers. */
export class ConversationReader {
  readonly #store: ReplyStore
  readonly #log: ReplyLog

  constructor(store: ReplyStore, log: ReplyLog) {
    this.#store = store
    this.#log = log
  }

  /**
   * @param after a cursor of the wire; one that cannot be honoured gives a snapshot
   * @throws ChatError `not_found`, `unavailable`
   */
  async follow(userId: string, conversationId: string, after: string | null, sink: ReaderSink): Promise<Following> {
    const stored = async (cursor: Cursor) => (await this.#stored(userId, conversationId, cursor)).events
    const following = this.#log.follow(conversationId, sink, stored)
    try {
      await following.ready
      const decoded = after === null ? null : decodeCursor(conversationId, after)
      const resumed = decoded !== null && (await this.#resume(userId, conversationId, decoded, following, sink))
      if (!resumed) await this.#beginAtSnapshot(userId, conversationId, following, sink)
      return following
    } catch (error) {
      following.stop()
      throw error
    }
  }

  async #resume(
    userId: string,
    conversationId: string,
    { cursor, erased }: { cursor: Cursor; erased: number },
    following: Following,
    sink: ReaderSink,
  ): Promise<boolean> {
    const { conversation, events, erased: erasedNow } = await this.#stored(userId, conversationId, cursor)
    if (events === null || erased !== erasedNow) return false
    sink.begin({ conversation, cursor, erased, snapshot: null })
    following.begin(cursor, events.entries, erased)
    return true
  }

  /** What is stored after the cursor; `events` is null when that is not provably everything. */
  async #stored(
    userId: string,
    conversationId: string,
    cursor: Cursor,
  ): Promise<{ conversation: Conversation; erased: number; events: StoredEvents | null }> {
    const view = await this.#view(userId, conversationId, cursor)
    const entries = isProvable(cursor, view) ? replay(view) : null
    const isUnderWay = view.running !== null || view.queued.length > 0
    const { conversation, erased } = view
    return { conversation, erased, events: entries && { entries, isUnderWay, erased } }
  }

  async #beginAtSnapshot(
    userId: string,
    conversationId: string,
    following: Following,
    sink: ReaderSink,
  ): Promise<void> {
    const view = await this.#view(userId, conversationId, null)
    const { running, newest } = view
    const live = running === null ? null : following.liveReply(running.id)
    const reply = running !== null && live !== null && isNewer(live, running) ? { ...running, ...live } : running
    const cursor: Cursor =
      reply === null
        ? { message: newest.message, reply: newest.endedReply, attempt: newest.endedAttempt, offset: 0, ended: true }
        : {
            message: newest.message,
            reply: reply.position,
            attempt: reply.attempt,
            offset: reply.text.length,
            ended: false,
          }
    const snapshot = { messages: view.messages, reply, queued: view.queued }
    sink.begin({ conversation: view.conversation, cursor, erased: view.erased, snapshot })
    following.begin(cursor, [], view.erased)
  }

  async #view(userId: string, conversationId: string, after: Cursor | null): Promise<ConversationView> {
    const view = await this.#store.view(userId, conversationId, after)
    if (view === null) throw new ChatError("not_found", "There is no such conversation.")
    return view
  }
}

/** Of one attempt the longer text is the newer one: what other nodes tell may be behind what they saved. */
function isNewer(live: { attempt: number; text: string }, stored: { attempt: number; text: string }): boolean {
  return live.attempt > stored.attempt || (live.attempt === stored.attempt && live.text.length > stored.text.length)
}

/** Whether everything after the cursor is in the view: never a silent gap. */
function isProvable(cursor: Cursor, { messages, ends, running, newest }: ConversationView): boolean {
  if (messages.length > limits.resumeMaxMessages) return false
  const newestReply = Math.max(newest.endedReply, running?.position ?? -1)
  // The newest message may have been erased; then its reply, which comes after it, says that there was one.
  if (cursor.message > Math.max(newest.message, newestReply)) return false
  if (cursor.reply > newestReply) return false
  if (cursor.reply === running?.position) return !cursor.ended && cursor.attempt <= running.attempt
  const stored = messages.find((message) => message.role === "assistant" && message.position === cursor.reply)
  if (cursor.reply === -1) return cursor.ended
  if (stored === undefined) return false
  const attempt = ends.get(stored.id)?.attempt ?? 1
  if (cursor.attempt !== attempt) return !cursor.ended && cursor.attempt < attempt
  return cursor.offset <= stored.content.length
}

/** What is stored, as entries in the order in which it was announced; null when a message's reply is unknown. */
function replay({ messages, ends, running, queued }: ConversationView): LogEntry[] | null {
  const replyIds = new Map(queued.map(({ replyId, messageId }) => [messageId, replyId]))
  if (running !== null) replyIds.set(running.messageId, running.id)
  // Ascending, so that a message's first reply comes last and wins over a retry of it.
  for (const { id, role } of messages.toReversed()) {
    const end = role === "assistant" ? ends.get(id) : undefined
    if (end !== undefined) replyIds.set(end.messageId, id)
  }
  const entries: LogEntry[] = []
  const said = messages.filter(({ role }) => role === "user")
  const sayUntil = (isAnnounced: (message: Message) => boolean): boolean => {
    while (said.length > 0 && isAnnounced(said[0]!)) {
      const message = said.shift()!
      const replyId = replyIds.get(message.id)
      if (replyId === undefined) return false
      entries.push({ kind: "message", message, replyId })
    }
    return true
  }
  for (const message of messages) {
    if (message.role !== "assistant") continue
    const end = ends.get(message.id)
    if (end === undefined || message.status === "sent") return null
    const { messageId, attempt, errorCode, usage, endedAt } = end
    const { id, conversationId, position, content: text } = message
    const reply: RunningReply = { id, conversationId, messageId, position, attempt }
    if (!sayUntil((earlier) => earlier.position < position)) return null
    entries.push({ kind: "reply", reply, text })
    if (!sayUntil((earlier) => earlier.createdAt <= endedAt)) return null
    const replyEnd = { replyId: id, attempt, status: message.status, message, errorCode, usage }
    entries.push({ kind: "end", reply, end: replyEnd })
  }
  if (!sayUntil((message) => running === null || message.position < running.position)) return null
  if (running !== null) entries.push({ kind: "reply", reply: running, text: running.text })
  return sayUntil(() => true) ? entries : null
}
