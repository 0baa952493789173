import type { MessageStatus, ReplyEndStatus, ReplyErrorCode } from "@grizz/protocol/constants"

/** Times are RFC 3339 in UTC with millisecond or finer fraction; ids are lower-case UUIDs. */
export interface Conversation {
  id: string
  userId: string
  title: string | null
  /** Calendar day `YYYY-MM-DD`; null outside the calendar. */
  day: string | null
  timezone: string | null
  createdAt: string
  updatedAt: string
}

export interface Message {
  id: string
  conversationId: string
  position: number
  role: "user" | "assistant"
  content: string
  metadata: Record<string, unknown> | null
  status: MessageStatus
  createdAt: string
}

/** A message that has every word of a query, and the conversation it was said in. */
export interface FoundMessage {
  message: Message
  conversation: Pick<Conversation, "id" | "title" | "day">
}

/** Who writes a reply's text: `attempt` fences out every earlier writer. */
export interface RunningReply {
  id: string
  conversationId: string
  /** The message it answers. */
  messageId: string
  position: number
  /** From 1. */
  attempt: number
}

export interface ReplyUsage {
  inputTokens: number
  outputTokens: number
}

/** A reply's one end; `message` is the reply as history shows it. */
export interface ReplyEnd {
  replyId: string
  attempt: number
  status: ReplyEndStatus
  message: Message
  /** Set exactly when `status` is `failed`. */
  errorCode: ReplyErrorCode | null
  usage: ReplyUsage | null
}

/** What a reply's prompt was made of. Ids alone: of what is erased nothing is kept here. */
export interface UsedContext {
  /** Version of the persona. */
  persona: string
  /** How many messages of the conversation, the newest ones, the answered one counted in. */
  messages: number
  /** In the order of the prompt. */
  memories: string[]
  /** Earlier messages that were recalled, in the order of the prompt. */
  quotes: string[]
}

/** `note`: the user wrote it. `fact`, `summary`: derived from what was said. */
export type MemoryKind = "fact" | "summary" | "note"

/** A message that a memory was derived from. */
export interface MemorySource {
  messageId: string
  conversationId: string
  role: "user" | "assistant"
  createdAt: string
}

export interface Memory {
  id: string
  kind: MemoryKind
  text: string
  isPinned: boolean
  /** Of a summary: the user's calendar day, `YYYY-MM-DD`. */
  day: string | null
  /** How many there are; none for a note. */
  sourceCount: number
  /** The first 20 of them, in order of time. */
  sources: MemorySource[]
  validFrom: string
  /** Null while it holds. */
  validTo: string | null
  /** The memory that corrects this one. */
  supersededBy: string | null
  createdAt: string
}
