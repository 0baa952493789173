import type {
  ConversationResource,
  MessageResource,
  QueuedReply,
  ReplyError,
  RunningReply,
  ServerFrame,
} from "@grizz/protocol"
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

/** A message that this client sent and the conversation does not show yet. */
export interface PendingMessage {
  readonly id: string
  readonly content: string
  readonly status: "sending" | "failed"
  /** Why it was refused; set exactly when `failed`. */
  readonly error: { readonly code: RequestErrorCode; readonly message: string } | null
}

export interface ConnectionState {
  /** `connecting`: for the first time; `offline`: waiting for the device's network; `closed`: for good. */
  readonly status: "connecting" | "open" | "reconnecting" | "offline" | "closed"
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
  /** Why replies failed, by reply id, as far as this client heard it. */
  readonly replyErrors: Readonly<Record<string, ReplyError>>
  readonly connection: ConnectionState
  readonly hasEarlier: boolean
  /** Where the conversation is resumed from; null before the first snapshot. */
  readonly cursor: string | null
}

export type LocalEvent =
  | { type: "connection.changed"; connection: ConnectionState }
  | { type: "send.requested"; id: string; content: string }
  | { type: "send.retried"; id: string }
  | { type: "send.discarded"; id: string }
  | { type: "stop.requested"; replyId: string }
  | { type: "earlier.loaded"; messages: readonly MessageResource[]; hasEarlier: boolean }

export type ConversationEvent = ServerFrame | LocalEvent

export const initialState: ConversationState = {
  conversation: null,
  messages: [],
  reply: null,
  queued: [],
  pending: [],
  stopping: [],
  replyErrors: {},
  connection: { status: "connecting", error: null },
  hasEarlier: false,
  cursor: null,
}

/** Refusals that pass by themselves: the message stays `sending` and is sent again. */
const passing: readonly RequestErrorCode[] = ["unavailable", "rate_limited", "unauthenticated"]

/** True when the same message, sent again later, may be accepted. */
export function isPassing(code: RequestErrorCode): boolean {
  return passing.includes(code)
}

/** The next state. Pure; events of a newer engine that it does not know change nothing. */
export function reduce(state: ConversationState, event: ConversationEvent): ConversationState {
  switch (event.type) {
    case "ready":
      return event.messages === null
        ? { ...state, conversation: event.conversation, cursor: event.cursor }
        : snapshot(state, event.conversation, event.cursor, event.messages, event.reply, event.queued ?? [])
    case "message.added":
      return added(state, event)
    case "message.accepted":
      // Its place comes with `message.added`, or is in older history: after a snapshot that no longer shows it.
      return { ...state, pending: withoutPending(state.pending, event.message_id) }
    case "reply.started":
    case "reply.restarted":
      return { ...begun(state, event), cursor: event.cursor }
    case "reply.delta":
      return delta(state, event)
    case "reply.ended":
      return ended(state, event)
    case "message.removed": {
      const messages = state.messages.filter(({ id }) => id !== event.message_id)
      return { ...state, messages, cursor: event.cursor }
    }
    case "error":
      return refused(state, event)
    case "connection.changed":
      return { ...state, connection: event.connection }
    case "send.requested":
      return {
        ...state,
        pending: [...state.pending, { id: event.id, content: event.content, status: "sending", error: null }],
      }
    case "send.retried":
      return mapPending(state, event.id, (pending) => ({ ...pending, status: "sending", error: null }))
    case "send.discarded":
      return { ...state, pending: withoutPending(state.pending, event.id) }
    case "stop.requested":
      return { ...state, stopping: [...without(state.stopping, event.replyId), event.replyId] }
    case "earlier.loaded":
      return earlier(state, event.messages, event.hasEarlier)
    // At the end of its token the connection comes back with a new one.
    case "auth.expiring":
    case "pong":
    default:
      return state
  }
}

type Frame<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>

/** A snapshot is the truth of one instant: what was held before gives way, but for what the user still waits for. */
function snapshot(
  state: ConversationState,
  conversation: ConversationResource,
  cursor: string,
  messages: readonly MessageResource[],
  running: RunningReply | null,
  queued: readonly QueuedReply[],
): ConversationState {
  const reply =
    running === null
      ? null
      : {
          id: running.reply_id,
          messageId: running.message_id,
          attempt: running.attempt,
          text: running.text,
        }
  const shown = new Set(messages.map((message) => message.id))
  const pending = state.pending.filter((one) => !shown.has(one.id))
  const stopping = state.stopping.filter((id) => id === reply?.id || queued.some((one) => one.reply_id === id))
  const hasEarlier = (messages[0]?.position ?? 0) > 0
  return { ...state, conversation, cursor, messages, reply, queued, pending, stopping, hasEarlier }
}

function added(state: ConversationState, frame: Frame<"message.added">): ConversationState {
  const replyId = frame.reply_id
  const known =
    state.reply?.id === replyId ||
    state.queued.some((one) => one.reply_id === replyId) ||
    state.messages.some((message) => message.id === replyId)
  return {
    ...state,
    cursor: frame.cursor,
    messages: inserted(state, frame.message),
    pending: withoutPending(state.pending, frame.message.id),
    queued: known ? state.queued : [...state.queued, { reply_id: replyId, message_id: frame.message.id }],
  }
}

function begun(state: ConversationState, frame: Frame<"reply.started" | "reply.restarted">): ConversationState {
  const id = frame.reply_id
  const current = state.reply?.id === id ? state.reply : null
  const over = state.messages.some((message) => message.id === id)
  if (over || (current !== null && current.attempt >= frame.attempt)) return state
  const waiting = state.queued.find((one) => one.reply_id === id)
  const messageId = "message_id" in frame ? frame.message_id : (current?.messageId ?? waiting?.message_id)
  if (messageId === undefined) return state
  return {
    ...state,
    reply: { id, messageId, attempt: frame.attempt, text: "" },
    queued: waiting === undefined ? state.queued : state.queued.filter((one) => one !== waiting),
  }
}

function delta(state: ConversationState, frame: Frame<"reply.delta">): ConversationState {
  // Every delta moves the cursor, so an equal one is the same delta again.
  if (frame.cursor === state.cursor) return state
  if (state.reply?.id !== frame.reply_id) return { ...state, cursor: frame.cursor }
  return { ...state, cursor: frame.cursor, reply: { ...state.reply, text: state.reply.text + frame.text } }
}

function ended(state: ConversationState, frame: Frame<"reply.ended">): ConversationState {
  return {
    ...state,
    cursor: frame.cursor,
    messages: inserted(state, frame.message),
    reply: state.reply?.id === frame.reply_id ? null : state.reply,
    queued: state.queued.filter((one) => one.reply_id !== frame.reply_id),
    stopping: without(state.stopping, frame.reply_id),
    replyErrors: frame.error === null ? state.replyErrors : { ...state.replyErrors, [frame.reply_id]: frame.error },
  }
}

function refused(state: ConversationState, frame: Frame<"error">): ConversationState {
  if (frame.ref === null) return state
  if (state.stopping.includes(frame.ref)) return { ...state, stopping: without(state.stopping, frame.ref) }
  if (isPassing(frame.code)) return state
  const error = { code: frame.code, message: frame.message }
  return mapPending(state, frame.ref, (pending) => ({ ...pending, status: "failed", error }))
}

/** Only what lies before the first message held is new; the rest the live events tell better. */
function earlier(state: ConversationState, page: readonly MessageResource[], hasEarlier: boolean): ConversationState {
  const first = state.messages[0]?.position ?? Number.POSITIVE_INFINITY
  const older = page.filter((message) => message.position < first)
  return { ...state, hasEarlier, messages: older.length === 0 ? state.messages : [...older, ...state.messages] }
}

/** By position; a message that is there already is replaced. */
function inserted({ messages, hasEarlier }: ConversationState, message: MessageResource): readonly MessageResource[] {
  // The end of a reply from before the page that is held: shown now, it would hide the gap behind it from paging.
  if (hasEarlier && message.position < (messages[0]?.position ?? 0)) return messages
  const others = messages.filter((one) => one.id !== message.id)
  const at = others.findLastIndex((one) => one.position < message.position) + 1
  return others.toSpliced(at, 0, message)
}

function mapPending(
  state: ConversationState,
  id: string,
  change: (pending: PendingMessage) => PendingMessage,
): ConversationState {
  if (!state.pending.some((pending) => pending.id === id)) return state
  return { ...state, pending: state.pending.map((pending) => (pending.id === id ? change(pending) : pending)) }
}

function withoutPending(pending: readonly PendingMessage[], id: string): readonly PendingMessage[] {
  return pending.some((one) => one.id === id) ? pending.filter((one) => one.id !== id) : pending
}

function without(ids: readonly string[], id: string): readonly string[] {
  return ids.includes(id) ? ids.filter((one) => one !== id) : ids
}
