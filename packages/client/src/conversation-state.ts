import type { ConversationResource, MessageResource, QueuedReply, ReplyError, ServerFrame } from "@grizz/protocol"
import type { RequestErrorCode } from "@grizz/protocol/constants"
import type { GrizzErrorCode } from "./grizz-error.ts"

/** A reply that is being written. */
export interface LiveReply {
  readonly id: string
  /** The message it answers. */
  readonly messageId: string
  readonly attempt: number
  readonly text: string
}

/** Why a message or a retry was refused. */
export interface Refusal {
  readonly code: RequestErrorCode
  readonly message: string
}

/** A message that was sent on this device and that the conversation does not show yet. */
export interface PendingMessage {
  /** The message's own id, from the first try to history. */
  readonly id: string
  readonly content: string
  readonly metadata: Record<string, unknown> | null
  /** Milliseconds since the Unix epoch, on this device's clock. */
  readonly sentAt: number
  readonly status: "sending" | "failed"
  /** Why it was refused; set exactly when `failed`. */
  readonly error: Refusal | null
}

/** A new reply that was asked for and has not begun. */
export interface AskedRetry {
  /** The ended reply that it is to take the place of. */
  readonly replyId: string
  /** Why the engine refused it; null while it is asked. */
  readonly error: Refusal | null
}

/** How the line to the engine stands. It comes back by itself, until it is `closed`. */
export interface ConnectionState {
  /** `connecting`: for the first time; `offline`: waiting for the device's network; `closed`: for good. */
  readonly status: "connecting" | "open" | "reconnecting" | "offline" | "closed"
  /** What carries the events while it is open: a WebSocket, or server-sent events where those are blocked. */
  readonly via: "websocket" | "sse" | null
  /** Why it was given up; null while it is not, or when the app closed it. */
  readonly error: { readonly code: GrizzErrorCode; readonly message: string } | null
}

/** Immutable: what has not changed is the same object as before. */
export interface ConversationState {
  readonly conversation: ConversationResource | null
  /** Ascending by position, without a gap from the first to the newest. */
  readonly messages: readonly MessageResource[]
  readonly reply: LiveReply | null
  /** Replies that wait for their turn, in order. */
  readonly queued: readonly QueuedReply[]
  readonly pending: readonly PendingMessage[]
  /** Ids of replies, running or waiting, that were asked to stop and have not ended yet. */
  readonly stopping: readonly string[]
  readonly retry: AskedRetry | null
  /** Why replies failed, by reply id, as far as this client heard it. */
  readonly replyErrors: Readonly<Record<string, ReplyError>>
  readonly connection: ConnectionState
  /** There are messages before the first one held: `loadEarlier` reads them. */
  readonly hasEarlier: boolean
  /** Opened as `today`, and a new day has begun since. */
  readonly dayOver: boolean
  /** Where the conversation is resumed from; null before the first snapshot. */
  readonly cursor: string | null
  /** Cursors of the newest events, so that one that is heard again changes nothing. */
  readonly heard: readonly string[]
}

/** What happens in a conversation, in order: the protocol's events, and the end of its day. */
export type ConversationEvent = Extract<ServerFrame, { cursor: string }> | { type: "day.over" }

/** What this device does to its own view. */
export type LocalEvent =
  | { type: "day.over" }
  | { type: "connection.changed"; connection: ConnectionState }
  | { type: "send.requested"; message: PendingMessage }
  | { type: "send.retried"; id: string }
  | { type: "send.discarded"; id: string }
  | { type: "send.stored"; message: MessageResource; replyId: string }
  | { type: "stop.requested"; replyId: string }
  | { type: "retry.requested"; replyId: string }
  | { type: "earlier.loaded"; messages: readonly MessageResource[]; hasEarlier: boolean }

/** Of a conversation of which nothing was heard yet: what is to be rendered on a server. */
export const initialState: ConversationState = {
  conversation: null,
  messages: [],
  reply: null,
  queued: [],
  pending: [],
  stopping: [],
  retry: null,
  replyErrors: {},
  connection: { status: "connecting", via: null, error: null },
  hasEarlier: false,
  dayOver: false,
  cursor: null,
  heard: [],
}
