import type { MessageResource, ServerFrame } from "@grizz/protocol"
import type { RequestErrorCode } from "@grizz/protocol/constants"
import type { ConversationState, LocalEvent, PendingMessage } from "./conversation-state.ts"

type Frame<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>

/** How many events back one is known to have been heard. */
const heardMax = 256

/** Refusals that pass by themselves: the message stays `sending` and is sent again. */
const passing: readonly RequestErrorCode[] = ["unavailable", "rate_limited", "unauthenticated"]

/** True when the same frame, sent again later, may be accepted. */
export function isPassing(code: string): boolean {
  return passing.some((one) => one === code)
}

/**
 * The next state. Pure. An event that was heard before changes nothing, whenever it comes again; one of a newer engine
 * only moves the cursor.
 */
export function reduce(state: ConversationState, event: ServerFrame | LocalEvent): ConversationState {
  if (event.type === "ready") return ready(state, event)
  if (!("cursor" in event)) return local(state, event)
  const { cursor } = event
  if (state.heard.includes(cursor)) return state
  return heard({ ...state, cursor, heard: [...state.heard.slice(1 - heardMax), cursor] }, event)
}

function heard(state: ConversationState, event: Extract<ServerFrame, { cursor: string }>): ConversationState {
  switch (event.type) {
    case "message.added":
      return added(state, event.message, event.reply_id)
    case "reply.started":
      return begun(state, event.reply_id, event.attempt, event.message_id)
    case "reply.restarted":
      return begun(state, event.reply_id, event.attempt)
    case "reply.delta":
      return state.reply?.id === event.reply_id
        ? { ...state, reply: { ...state.reply, text: state.reply.text + event.text } }
        : state
    case "reply.ended":
      return ended(state, event)
    case "message.removed":
      return { ...state, messages: filtered(state.messages, ({ id }) => id !== event.message_id) }
    case "ready":
    default:
      return state
  }
}

function local(state: ConversationState, event: Exclude<ServerFrame, { cursor: string }> | LocalEvent) {
  switch (event.type) {
    case "message.accepted":
      // Its place comes with `message.added`, or is in older history: after a snapshot that no longer shows it.
      return { ...state, pending: withoutPending(state, event.message_id) }
    case "send.stored":
      // No longer pending: the events have told of it already, and perhaps of its end.
      return state.pending.some(({ id }) => id === event.message.id)
        ? added(state, event.message, event.replyId)
        : state
    case "error":
      return refused(state, event)
    case "connection.changed":
      return { ...state, connection: event.connection }
    case "send.requested":
      return requested(state, event.message)
    case "send.retried":
      return mapPending(state, event.id, (pending) => ({ ...pending, status: "sending", error: null }))
    case "send.discarded":
      return { ...state, pending: withoutPending(state, event.id) }
    case "stop.requested":
      return { ...state, stopping: [...state.stopping.filter((id) => id !== event.replyId), event.replyId] }
    case "retry.requested":
      return { ...state, retry: { replyId: event.replyId, error: null } }
    case "earlier.loaded":
      return earlier(state, event.messages, event.hasEarlier)
    case "day.over":
      return { ...state, dayOver: true }
    case "auth.expiring":
    case "pong":
    default:
      return state
  }
}

/** A snapshot is the truth of one instant: what was held before gives way, but for what the user still waits for. */
function ready(state: ConversationState, frame: Frame<"ready">): ConversationState {
  const { conversation, cursor, messages, reply: running } = frame
  const resumed = { ...state, conversation, cursor, heard: [cursor] }
  if (messages === null) return resumed
  const queued = frame.queued ?? []
  const reply = running && {
    id: running.reply_id,
    messageId: running.message_id,
    attempt: running.attempt,
    text: running.text,
  }
  return {
    ...resumed,
    messages,
    reply,
    queued,
    pending: unshown(state, messages),
    stopping: state.stopping.filter((id) => id === reply?.id || queued.some(({ reply_id }) => reply_id === id)),
    retry: messages.some(({ id }) => id === state.retry?.replyId) ? state.retry : null,
    hasEarlier: (messages[0]?.position ?? 0) > 0,
  }
}

function added(state: ConversationState, message: MessageResource, reply_id: string): ConversationState {
  const isKnown =
    state.reply?.id === reply_id ||
    state.queued.some((one) => one.reply_id === reply_id) ||
    state.messages.some(({ id }) => id === reply_id)
  return {
    ...state,
    messages: inserted(state, message),
    pending: withoutPending(state, message.id),
    queued: isKnown ? state.queued : [...state.queued, { reply_id, message_id: message.id }],
  }
}

function begun(state: ConversationState, id: string, attempt: number, answered?: string): ConversationState {
  const current = state.reply?.id === id ? state.reply : null
  if (state.messages.some((message) => message.id === id)) return state
  if (current !== null && current.attempt >= attempt) return state
  const waiting = state.queued.find(({ reply_id }) => reply_id === id)
  const messageId = answered ?? current?.messageId ?? waiting?.message_id
  if (messageId === undefined) return state
  return {
    ...state,
    reply: { id, messageId, attempt, text: "" },
    queued: filtered(state.queued, (one) => one !== waiting),
    messages: current === null && waiting === undefined ? withoutSuperseded(state.messages, messageId) : state.messages,
    retry: null,
  }
}

/** A reply that did not wait is a retry, which only the newest reply can be: that one gives way. */
function withoutSuperseded(messages: readonly MessageResource[], answered: string): readonly MessageResource[] {
  const newest = messages.filter(({ role }) => role === "assistant").at(-1)
  const asked = messages.find(({ id }) => id === answered)
  const isOlder = newest !== undefined && asked !== undefined && newest.position < asked.position
  return isOlder ? messages : filtered(messages, (one) => one !== newest)
}

function ended(state: ConversationState, frame: Frame<"reply.ended">): ConversationState {
  const { reply_id, error } = frame
  return {
    ...state,
    messages: inserted(state, frame.message),
    reply: state.reply?.id === reply_id ? null : state.reply,
    queued: filtered(state.queued, (one) => one.reply_id !== reply_id),
    stopping: filtered(state.stopping, (id) => id !== reply_id),
    replyErrors: error === null ? state.replyErrors : { ...state.replyErrors, [reply_id]: error },
  }
}

function refused(state: ConversationState, { ref, code, message }: Frame<"error">): ConversationState {
  if (ref === null || isPassing(code)) return state
  const error = { code, message }
  if (state.retry?.replyId === ref) return { ...state, retry: { replyId: ref, error } }
  if (state.stopping.includes(ref)) return { ...state, stopping: state.stopping.filter((id) => id !== ref) }
  return mapPending(state, ref, (pending) => ({ ...pending, status: "failed", error }))
}

/** In the order in which they were sent, also where some are known only now from before a reload. */
function requested(state: ConversationState, message: PendingMessage): ConversationState {
  const isKnown = [...state.pending, ...state.messages].some(({ id }) => id === message.id)
  if (isKnown) return state
  const later = state.pending.findIndex(({ sentAt }) => sentAt > message.sentAt)
  const at = later === -1 ? state.pending.length : later
  return { ...state, pending: [...state.pending.slice(0, at), message, ...state.pending.slice(at)] }
}

/** Only what lies before the first message held is new; the rest the live events tell better. */
function earlier(state: ConversationState, page: readonly MessageResource[], hasEarlier: boolean): ConversationState {
  const first = state.messages[0]?.position ?? Number.POSITIVE_INFINITY
  const older = page.filter((message) => message.position < first)
  return {
    ...state,
    hasEarlier,
    messages: older.length === 0 ? state.messages : [...older, ...state.messages],
    pending: unshown(state, older),
  }
}

/** By position; a message that is there already is replaced. */
function inserted({ messages, hasEarlier }: ConversationState, message: MessageResource): readonly MessageResource[] {
  // The end of a reply from before the page that is held: shown now, it would hide the gap behind it from paging.
  if (hasEarlier && message.position < (messages[0]?.position ?? 0)) return messages
  const others = messages.filter((one) => one.id !== message.id)
  const later = others.findIndex((one) => one.position > message.position)
  const at = later === -1 ? others.length : later
  return [...others.slice(0, at), message, ...others.slice(at)]
}

function mapPending(
  state: ConversationState,
  id: string,
  change: (pending: PendingMessage) => PendingMessage,
): ConversationState {
  if (!state.pending.some((pending) => pending.id === id)) return state
  return { ...state, pending: state.pending.map((pending) => (pending.id === id ? change(pending) : pending)) }
}

function unshown({ pending }: ConversationState, messages: readonly MessageResource[]): readonly PendingMessage[] {
  return filtered(pending, (one) => !messages.some(({ id }) => id === one.id))
}

function withoutPending({ pending }: ConversationState, id: string): readonly PendingMessage[] {
  return filtered(pending, (one) => one.id !== id)
}

/** The same list where nothing goes. */
function filtered<Item>(list: readonly Item[], stays: (item: Item) => boolean): readonly Item[] {
  const filteredList = list.filter(stays)
  return filteredList.length === list.length ? list : filteredList
}
