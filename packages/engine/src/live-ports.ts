import type { Message, ReplyEnd, RunningReply } from "./domain.ts"

/**
 * A point in one conversation's events. Events are ordered by position: announced messages up to `message`, replies
 * before `reply`, and of the reply at `reply` the attempt `attempt` up to `offset`, and its end when `ended`.
 */
export interface Cursor {
  /** Highest position of a user's message announced; -1 for none. */
  message: number
  /** Highest position of a reply announced; -1 for none. */
  reply: number
  attempt: number
  /** UTF-16 units of the reply's text. */
  offset: number
  ended: boolean
}

/** One thing that happened in a conversation; the same object goes to every reader, so that it is encoded once. */
export type ConversationEvent =
  | { type: "message.added"; message: Message; replyId: string }
  | { type: "reply.started"; reply: RunningReply }
  | { type: "reply.delta"; replyId: string; text: string }
  | { type: "reply.restarted"; reply: RunningReply }
  | { type: "reply.ended"; end: ReplyEnd }
  /** `count`: how many messages were erased from the conversation, this one counted in. */
  | { type: "message.removed"; messageId: string; count: number }

/**
 * What a log or a store holds of a conversation, in the order in which it happened: a message that was announced, an
 * attempt of a reply with its text so far, and a reply's end, which carries the whole text. `foundIdle`: no reply was
 * under way when the message was committed.
 */
export type LogEntry =
  | { kind: "message"; message: Message; replyId: string; foundIdle?: boolean }
  | { kind: "reply"; reply: RunningReply; text: string }
  | { kind: "end"; reply: RunningReply; end: ReplyEnd }

/** Why a reader is over: its conversation is gone, it stopped reading, or what it lacks cannot be told as events. */
export type ReaderEnd = "deleted" | "too_slow" | "behind"

/** Where a reader's events go. */
export interface EventSink {
  /** `cursor` is the point after this event, valid during the call. False: the reader is full until it says `resume`. */
  write(event: ConversationEvent, cursor: Cursor): boolean
  /** The reader is over, and nothing follows. */
  close(reason: ReaderEnd): void
}

/** What is stored after a cursor: everything, in the order in which it was announced. */
export interface StoredEvents {
  entries: LogEntry[]
  /** A reply runs, or waits to begin. */
  isUnderWay: boolean
  /** How many messages were erased from the conversation. */
  erased: number
}

/**
 * Reads what is stored after a cursor, for a log that cannot say it; null when that cannot be proved complete.
 * @throws ChatError `not_found` when the conversation is gone, `unavailable`
 */
export type StoredReader = (after: Cursor) => Promise<StoredEvents | null>

/** One reader of a conversation. What is announced from its making on is kept for it. */
export interface Following {
  /** To be awaited before the database is read for this reader: what other nodes announce comes too. 250 ms at most. */
  readonly ready: Promise<void>
  /** Text so far of a reply that is live here; null when it is not. */
  liveReply(replyId: string): { attempt: number; text: string } | null
  /** Starts the events after `cursor`, which knows of `erased` erasures: those of `stored` first, then the live ones. */
  begin(cursor: Cursor, stored: LogEntry[], erased: number): void
  /** The reader has room again. */
  resume(): void
  stop(): void
}

/** The one writer of one attempt of a reply. */
export interface ReplyWriter {
  readonly text: string
  append(text: string): void
  end(end: ReplyEnd): void
  /** Lets go of a reply that is no longer this node's; readers hear of it from its next owner. */
  abandon(): void
}

/** The live part of conversations: what was announced, and the text of replies that run. */
export interface ReplyLog {
  /** @param foundIdle no reply was under way when it was committed: all ends before it are told before it */
  announce(message: Message, replyId: string, foundIdle: boolean): void
  /** Begins an attempt; a later attempt of the same reply starts from an empty text. */
  start(reply: RunningReply): ReplyWriter
  follow(conversationId: string, sink: EventSink, stored: StoredReader): Following
  /** A message was erased: readers drop it, and nothing here holds its text any more. */
  remove(conversationId: string, messageId: string, count: number): void
  /** The conversation was deleted: its readers are closed. */
  drop(conversationId: string): void
  /** Something of it may have been committed that nobody told: readers are given what is stored. */
  look(conversationId: string): void
}
