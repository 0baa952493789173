import type { ReplyEndStatus, ReplyErrorCode } from "@grizz/protocol/constants"
import type { Conversation, FoundMessage, Message, ReplyEnd, ReplyUsage, RunningReply, UsedContext } from "./domain.ts"

// Database -----------------------------------------------------------------------------------------------------------

export interface ConversationPageRequest {
  limit: number
  /** The last row of the previous page. */
  before?: { updatedAt: string; id: string } | undefined
  /** Also those in which nothing was said; true when left out. */
  empty?: boolean | undefined
}

export interface ConversationStore {
  /** The user's conversation of that day; made, race-free, when there is none. `day` is `YYYY-MM-DD`. */
  today(userId: string, day: string, timezone: string): Promise<Conversation>
  create(userId: string, title: string | null): Promise<Conversation>
  /** Newest first by `(updatedAt, id)`. */
  list(userId: string, request: ConversationPageRequest): Promise<Conversation[]>
  /** Null also for someone else's. */
  find(userId: string, conversationId: string): Promise<Conversation | null>
  rename(userId: string, conversationId: string, title: string | null): Promise<Conversation | null>
  /** True when there was one to delete. */
  delete(userId: string, conversationId: string): Promise<boolean>
}

export interface MessagePageRequest {
  limit: number
  /** Only positions below this one. */
  before?: number | undefined
  superseded: boolean
}

export interface PageAroundRequest {
  messageId: string
  /** At most so many before the message. */
  earlier: number
  /** At most so many from the message on. */
  later: number
  superseded: boolean
}

export interface MessageStore {
  /** The newest page below `before`, ascending by position; null when the conversation is not the user's. */
  page(userId: string, conversationId: string, request: MessagePageRequest): Promise<Message[] | null>
  /** What stands around a message, ascending; null when it is not in this conversation of the user. */
  pageAround(userId: string, conversationId: string, request: PageAroundRequest): Promise<Message[] | null>
}

export interface SearchRequest {
  /** Each with every form of it that counts as the same word. */
  words: string[][]
  limit: number
  /** The last message of the previous page. */
  before?: { createdAt: string; id: string } | undefined
}

export interface SearchStore {
  /**
   * The user's messages that have every word, by its stem, newest first by `(createdAt, id)`, without superseded replies.
   * None where no word is left but such as every text has. `matched`: the words of these messages that were meant, as they
   * are written there.
   */
  find(userId: string, request: SearchRequest): Promise<{ found: FoundMessage[]; matched: string[] }>
}

export interface NewMessage {
  userId: string
  conversationId: string
  messageId: string
  content: string
  metadata: Record<string, unknown> | null
  /** Id that the reply gets, should this be the first time the message is seen. */
  replyId: string
}

/** A reply that this node is to produce now, with its context: earlier messages in order, then the one it answers. */
export interface ReplyJob {
  reply: RunningReply
  /** The message it answers; null where the user erased it. */
  message: Message | null
  context: ContextMessage[]
  /**
   * Whether there may be anything to recollect: false where the user has no memories and said nothing outside the context,
   * or has paused.
   */
  recollects: boolean
  /** A stop was asked for before it began: it ends without a model call. */
  stopRequested: boolean
}

export interface ContextMessage {
  role: "user" | "assistant"
  content: string
}

export type Accepted =
  /** `interrupted`: replies that were asked to stop for this message. */
  | { outcome: "accepted"; message: Message; replyId: string; job: ReplyJob | null; interrupted: string[] }
  /** `message`: null where the user erased it. `job`: set when this owner has the reply, and may not know it. */
  | { outcome: "repeat"; messageId: string; replyId: string; message: Message | null; job: ReplyJob | null }
  | { outcome: "conflict" }
  | { outcome: "not_found" }
  /** Only with `reject`: nothing was written. */
  | { outcome: "in_progress" }

/** What a message does that is sent while a reply of its conversation is under way. */
export type ConcurrentSends = "enqueue" | "interrupt" | "reject"

/** A reply that this node produces, with its text so far. */
export interface HeldReply {
  replyId: string
  attempt: number
  text: string
}

/** What was taken over in one conversation: a reply that was ended for its owner, and one to produce now. */
export interface TakenOver {
  ended: { reply: RunningReply; end: ReplyEnd } | null
  next: ReplyJob | null
}

/** A new reply to a message. `job` is null when it is not, or no longer, this owner's. */
export interface Retried {
  messageId: string
  job: ReplyJob | null
}

export interface Erased {
  /** How many messages were erased from this conversation, this one counted in. */
  count: number
  /** Replies to it that were asked to stop. */
  stopped: string[]
}

/** What is stored of one conversation after a cursor, or its newest page; all of one instant. */
export interface ConversationView {
  conversation: Conversation
  /** Ascending by position; a message of role `assistant` is an ended reply. */
  messages: Message[]
  /** What the replies among `messages` carry beside their text, by reply id; none for what an older engine stored. */
  ends: Map<string, StoredReplyEnd>
  running: (RunningReply & { text: string }) | null
  queued: { replyId: string; messageId: string }[]
  /** Highest position of a user's message, and of an ended reply with its attempt; -1 and 0 where there is none. */
  newest: { message: number; endedReply: number; endedAttempt: number }
  /** How many messages were erased from the conversation. */
  erased: number
}

export interface StoredReplyEnd {
  messageId: string
  attempt: number
  errorCode: ReplyErrorCode | null
  usage: ReplyUsage | null
  /** RFC 3339. */
  endedAt: string
}

export interface ReplyOutcome {
  status: ReplyEndStatus
  text: string
  /** Set exactly when `status` is `failed`. */
  errorCode: ReplyErrorCode | null
  usage: ReplyUsage | null
  /** Model that answered, as it named itself; null when none was called. */
  model: string | null
  /** Null when no prompt was made. */
  used: UsedContext | null
}

/** What one heartbeat of a node learned about the replies it runs. */
export interface Heartbeat {
  /** Replies whose stop was asked for. */
  stopped: string[]
  /** Replies that are no longer this node's. */
  lost: string[]
}

export interface ReplyStore {
  /**
   * Owner check, idempotent insert, reply row and context in one round trip, committed when it resolves.
   * `contextMessages` counts the new message in.
   */
  accept(
    message: NewMessage,
    owner: string,
    contextMessages: number,
    concurrentSends: ConcurrentSends,
  ): Promise<Accepted>
  /**
   * Saves the end of a reply that `owner` runs, and starts the conversation's next queued reply for it.
   * Null when the reply is no longer the owner's: nothing was written. The same end again gets the same answer.
   */
  end(
    reply: RunningReply,
    outcome: ReplyOutcome,
    owner: string,
    contextMessages: number,
  ): Promise<{ end: ReplyEnd; next: ReplyJob | null } | null>
  /** Asks for a stop, durably. Null when the reply is not the user's; `ended` when there is nothing left to stop. */
  requestStop(userId: string, replyId: string): Promise<"requested" | "ended" | null>
  /** One statement for all replies of a node: renews leases, saves the text so far, brings back stops and losses. */
  heartbeat(owner: string, replies: HeldReply[]): Promise<Heartbeat>
  /** Saves the texts so far and gives the replies up; their next owner's model calls are not counted twice. */
  handOver(owner: string, replies: HeldReply[]): Promise<void>
  /** Conversations with replies that no living owner produces; at most 100 a call. */
  lateConversations(): Promise<string[]>
  /**
   * Takes over, as a new attempt, the conversation's reply whose lease has run out: it goes on while fewer than `maxCalls`
   * model calls were begun for it, else it is ended with the text that was saved (`stopped` where a stop was asked for,
   * else `failed` with `interrupted`) and the next one begins. Null when there is nothing to take, or another is at it. The
   * same owner again gets the reply that it took.
   */
  takeOver(conversationId: string, owner: string, contextMessages: number, maxCalls: number): Promise<TakenOver | null>
  /** Null when the reply is not the user's. */
  conversationOf(userId: string, replyId: string): Promise<string | null>
  /**
   * A new reply to the message of an ended one, which it supersedes; `conflict` unless that is the newest. The same
   * `newReplyId` again gets the same answer.
   */
  retry(
    userId: string,
    replyId: string,
    newReplyId: string,
    owner: string,
    contextMessages: number,
  ): Promise<Retried | "conflict" | "not_found">
  /** Erases a message's text; null when there is no such message of the user. */
  erase(userId: string, conversationId: string, messageId: string): Promise<Erased | null>
  /**
   * What a reader needs to begin, in one round trip; null when the conversation is not the user's. `messages` are
   * without `after` the newest 50, superseded replies left out; with it every message above `after.message` and every
   * ended reply from `after.reply` on, the first 501 of them: more than 500 means that the cursor is too far back.
   */
  view(
    userId: string,
    conversationId: string,
    after: { message: number; reply: number } | null,
  ): Promise<ConversationView | null>
}

/** Whether the database answers now; rejects with what is wrong. */
export interface Pingable {
  ping(): Promise<void>
}

// The model ----------------------------------------------------------------------------------------------------------

export interface ModelMessage {
  role: "system" | "user" | "assistant"
  content: string
}

export interface ModelRequest {
  messages: readonly ModelMessage[]
  /** Called with each piece of text in order, never empty, well-formed UTF-16 without NUL. Must not throw. */
  onText: (text: string) => void
  /** Aborting ends the call; `stream` then rejects with the signal's reason. */
  signal: AbortSignal
}

export interface ModelResult {
  finishReason: "stop" | "length"
  usage: ReplyUsage | null
  /** As the model named itself. */
  model: string
}

export interface LlmClient {
  /**
   * One streamed answer. Resolves only when the model said that it finished.
   * @throws ReplyFailure model_timeout | model_unavailable | model_refused | model_invalid; the text already given stays given
   */
  stream(request: ModelRequest): Promise<ModelResult>
}

// Sign-in ------------------------------------------------------------------------------------------------------------

export interface VerifiedUser {
  userId: string
  /** Milliseconds since the Unix epoch. */
  expiresAt: number
}

export interface TokenVerifier {
  /** @throws ChatError `unauthenticated`, or `unavailable` when the keys cannot be had */
  verify(token: string): Promise<VerifiedUser>
}

export interface Ticket {
  /** A secret. */
  ticket: string
  /** RFC 3339. */
  expiresAt: string
}

/** Tickets that sign in one connection each, on any node. */
export interface TicketStore {
  /** For 30 s on the database's clock. */
  issue(user: VerifiedUser): Promise<Ticket>
  /** Uses the ticket up; null when there is none, it has expired, or it was used. */
  redeem(ticket: string): Promise<VerifiedUser | null>
}

/** A message, and a reply to it, as stored now. */
export interface StoredTurn {
  message: Message
  /** Its attempt is 0 while it is queued. */
  reply: RunningReply
  /** Null while it is queued or runs. */
  end: ReplyEnd | null
}

export interface TurnStore {
  /** By the reply; null when it is not the user's, or when it or its message was erased. */
  find(userId: string, replyId: string): Promise<StoredTurn | null>
}
