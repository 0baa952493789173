import type { Message, ReplyEnd, RunningReply } from "../../domain.ts"
import type { ConversationEvent, Cursor, ReaderEnd } from "../../live-ports.ts"
import type { StoredTurn } from "../../ports.ts"
import type { Beginning, ReaderSink } from "../../services/conversation-reader.ts"

/** Who hears a turn: from its `message.added` to its `reply.ended`. */
export interface TurnAudience {
  /** How many messages were erased from the conversation until now; comes before the events that know of it. */
  setErased(count: number): void
  /** False: full, until the reader of the conversation is resumed. */
  write(event: ConversationEvent, cursor: Cursor): boolean
  /** The conversation's reader is over, and the turn's end was not heard. */
  close(reason: ReaderEnd): void
}

/**
 * Picks one message's turn out of its conversation. It follows the conversation before the message is sent, so that it
 * misses nothing, and holds what it hears until the answer to the send says whether, and to which reply, it belongs.
 */
export class TurnReader implements ReaderSink {
  readonly #messageId: string
  readonly #audience: TurnAudience
  #beginning: Beginning | null = null
  #held: { event: ConversationEvent; cursor: Cursor }[] | null = []
  #replyId: string | null = null

  constructor(messageId: string, audience: TurnAudience) {
    this.#messageId = messageId
    this.#audience = audience
  }

  begin(beginning: Beginning): void {
    this.#beginning = beginning
    this.#audience.setErased(beginning.erased)
  }

  write(event: ConversationEvent, cursor: Cursor): boolean {
    if (this.#held !== null) {
      this.#held.push({ event, cursor: { ...cursor } })
      return true
    }
    if (event.type === "message.removed") this.#audience.setErased(event.count)
    return this.#belongs(event) ? this.#audience.write(event, cursor) : true
  }

  close(reason: ReaderEnd): void {
    this.#audience.close(reason)
  }

  /** The message was sent for the first time: its events came, or will. */
  start(replyId: string): void {
    this.#replyId = replyId
    const held = this.#held ?? []
    this.#held = null
    for (const { event, cursor } of held) this.write(event, cursor)
  }

  /** The message was known: what was said of it before is said again. */
  repeat({ message, reply, end }: StoredTurn): void {
    const beginning = this.#beginning!
    if (end !== null) return this.#replayEnded(beginning.cursor, message, reply, end)
    const running = beginning.snapshot?.reply ?? null
    const isQueued = beginning.snapshot?.queued.some(({ replyId }) => replyId === reply.id) ?? false
    if (running?.id === reply.id) {
      this.#replayStart(beginning.cursor, message, running)
      if (running.text !== "")
        this.#say({ type: "reply.delta", replyId: reply.id, text: running.text }, beginning.cursor)
    } else if (isQueued) {
      this.#say(
        { type: "message.added", message, replyId: reply.id },
        { ...beginning.cursor, message: message.position },
      )
    }
    // Otherwise it was accepted elsewhere a moment ago, and all its events are yet to come, or were held.
    this.start(reply.id)
  }

  #replayEnded(at: Cursor, message: Message, reply: RunningReply, end: ReplyEnd): void {
    this.#held = null
    const text = end.message.content
    const { position, attempt } = reply
    const cursor = { ...at, message: message.position, reply: position, attempt, offset: text.length, ended: false }
    this.#replayStart(cursor, message, reply)
    if (text !== "") this.#say({ type: "reply.delta", replyId: reply.id, text }, cursor)
    this.#say({ type: "reply.ended", end }, { ...cursor, ended: true })
  }

  /** `at` is any point in the reply. Which reply came before is not known, so a resume from the first event is a snapshot. */
  #replayStart(at: Cursor, message: Message, reply: RunningReply): void {
    const started = { ...at, message: message.position, offset: 0 }
    const before = { ...started, reply: reply.position - 1, attempt: 0, ended: true }
    this.#say({ type: "message.added", message, replyId: reply.id }, before)
    this.#say({ type: "reply.started", reply }, started)
  }

  /** Whether there is room does not matter here: the live events wait for it. */
  #say(event: ConversationEvent, cursor: Cursor): void {
    this.#audience.write(event, cursor)
  }

  #belongs(event: ConversationEvent): boolean {
    switch (event.type) {
      case "message.added":
        return event.message.id === this.#messageId
      case "reply.started":
      case "reply.restarted":
        return event.reply.id === this.#replyId
      case "reply.delta":
        return event.replyId === this.#replyId
      case "reply.ended":
        return event.end.replyId === this.#replyId
      case "message.removed":
        return event.messageId === this.#messageId
    }
  }
}
