import type {
  ConversationResource,
  MemoryResource,
  MessageResource,
  ReplyError,
  ReplyErrorCode,
  RequestErrorCode,
  ServerFrame,
} from "@grizz/protocol"
import type { Conversation, Memory, Message, ReplyEnd, RunningReply } from "../domain.ts"
import type { ConversationEvent, Cursor } from "../live-ports.ts"
import type { Beginning } from "../services/conversation-reader.ts"
import { cursorHead, cursorPrefix, encodeCursor, encodeOffset } from "../services/cursor.ts"
import { quote } from "./quote.ts"

export function conversationResource(conversation: Conversation): ConversationResource {
  const { id, userId, title, day, timezone, createdAt, updatedAt } = conversation
  return { id, user_id: userId, title, conv_day: day, timezone, created_at: createdAt, updated_at: updatedAt }
}

export function messageResource(message: Message): MessageResource {
  const { id, conversationId, position, role, content, metadata, status, createdAt } = message
  return { id, conversation_id: conversationId, position, role, content, metadata, status, created_at: createdAt }
}

export function memoryResource(memory: Memory): MemoryResource {
  const { id, kind, text, isPinned, day, sourceCount, sources, validFrom, validTo, supersededBy, createdAt } = memory
  return {
    id,
    kind,
    text,
    pinned: isPinned,
    day,
    source_count: sourceCount,
    sources: sources.map(({ messageId, conversationId, role, createdAt: saidAt }) => ({
      message_id: messageId,
      conversation_id: conversationId,
      role,
      created_at: saidAt,
    })),
    valid_from: validFrom,
    valid_to: validTo,
    superseded_by: supersededBy,
    created_at: createdAt,
  }
}

/** What a person reads when a reply failed, and whether asking again can help. */
const replyErrors = {
  model_timeout: { message: "The model took too long to answer.", retryable: true },
  model_unavailable: { message: "The model cannot be reached at the moment.", retryable: true },
  model_refused: { message: "The model declined to answer this.", retryable: false },
  model_invalid: { message: "The model gave an answer that could not be used.", retryable: true },
  interrupted: { message: "The answer was interrupted before it was complete.", retryable: true },
} as const satisfies Record<ReplyErrorCode, Omit<ReplyError, "code">>

export function replyError(code: ReplyErrorCode): ReplyError {
  return { code, ...replyErrors[code] }
}

export function errorFrame(code: RequestErrorCode, message: string, ref: string | null): string {
  return frame({ type: "error", code, message, ref })
}

export const frame = (value: ServerFrame): string => JSON.stringify(value)

/** Encodes one conversation's frames. An event that many readers share at the same cursor is encoded once. */
export class FrameEncoder {
  readonly #conversationId: string
  #cursorPrefix: string
  /** The head of the last cursor, and what it says; -2 is nobody's. */
  #head = ""
  #message = -2
  #reply = 0
  #attempt = 0

  constructor(conversationId: string) {
    this.#conversationId = conversationId
    this.#cursorPrefix = cursorPrefix(conversationId)
  }

  /** How many messages were erased from the conversation: part of every cursor from now on. */
  set erased(count: number) {
    this.#cursorPrefix = cursorPrefix(this.#conversationId, count)
    this.#message = -2
  }

  ready({ conversation, cursor, erased, snapshot }: Beginning): string {
    this.erased = erased
    const reply = snapshot?.reply ?? null
    return frame({
      type: "ready",
      conversation: conversationResource(conversation),
      cursor: encodeCursor(this.#cursorPrefix, cursor),
      messages: snapshot?.messages.map(messageResource) ?? null,
      reply: reply === null ? null : { ...startOf(reply), text: reply.text },
      queued: snapshot?.queued.map(({ replyId, messageId }) => ({ reply_id: replyId, message_id: messageId })) ?? null,
    })
  }

  cursor(at: Cursor): string {
    const { message, reply, attempt } = at
    if (message !== this.#message || reply !== this.#reply || attempt !== this.#attempt) {
      this.#head = cursorHead(this.#cursorPrefix, at)
      this.#message = message
      this.#reply = reply
      this.#attempt = attempt
    }
    return encodeOffset(this.#head, at)
  }

  event(event: ConversationEvent, at: Cursor): string {
    if (event.type === "message.removed") this.erased = event.count
    const cursor = this.cursor(at)
    if (event !== lastEncoded.event || cursor !== lastEncoded.cursor) {
      lastEncoded = { event, cursor, text: encode(event, cursor) }
    }
    return lastEncoded.text
  }
}

/** The readers of one event are served one after another, so that remembering one frame is enough. */
let lastEncoded: { event: ConversationEvent | null; cursor: string; text: string } = {
  event: null,
  cursor: "",
  text: "",
}

function encode(event: ConversationEvent, cursor: string): string {
  switch (event.type) {
    case "message.added":
      return frame({ type: event.type, message: messageResource(event.message), reply_id: event.replyId, cursor })
    case "reply.started":
      return frame({ type: event.type, ...startOf(event.reply), cursor })
    case "reply.delta":
      // What `frame` would make of it. An id and a cursor need no escapes.
      return `{"type":"reply.delta","reply_id":"${event.replyId}","text":${quote(event.text)},"cursor":"${cursor}"}`
    case "reply.restarted":
      return frame({ type: event.type, reply_id: event.reply.id, attempt: event.reply.attempt, cursor })
    case "reply.ended":
      return frame(ended(event.end, cursor))
    case "message.removed":
      return frame({ type: event.type, message_id: event.messageId, cursor })
  }
}

function startOf({ id, messageId, attempt }: RunningReply): { reply_id: string; message_id: string; attempt: number } {
  return { reply_id: id, message_id: messageId, attempt }
}

function ended(end: ReplyEnd, cursor: string): ServerFrame {
  const { replyId, status, message, errorCode, usage } = end
  return {
    type: "reply.ended",
    reply_id: replyId,
    status,
    message: messageResource(message),
    error: errorCode === null ? null : replyError(errorCode),
    usage: usage === null ? null : { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens },
    cursor,
  }
}
