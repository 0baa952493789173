import * as z from "zod"
import { replyEndStatuses, replyErrorCodes, requestErrorCodes } from "./constants.ts"
import { conversationResource, messageCreate, messageResource, timestamp, uuid } from "./resources.ts"

// What a client says -------------------------------------------------------------------------------------------------

export const messageSendFrame = messageCreate.extend({ type: z.literal("message.send") })
export const replyStopFrame = z.strictObject({ type: z.literal("reply.stop"), reply_id: uuid })
/** A new reply to the message of an ended one. */
export const replyRetryFrame = z.strictObject({ type: z.literal("reply.retry"), reply_id: uuid })
/** A newer token of the same user; without it sends are refused once the first one has expired. */
export const authRefreshFrame = z.strictObject({ type: z.literal("auth.refresh"), token: z.string().max(16 * 1024) })
export const pingFrame = z.strictObject({ type: z.literal("ping") })

export const clientFrame = z.discriminatedUnion("type", [
  messageSendFrame,
  replyStopFrame,
  replyRetryFrame,
  authRefreshFrame,
  pingFrame,
])
export type ClientFrame = z.infer<typeof clientFrame>

// What the server says -----------------------------------------------------------------------------------------------

/** Opaque; names a point in one conversation. Give it back as `?after=`. */
const cursor = z.string()
const attempt = z.int().min(1)

/** The reply in progress at the instant of a snapshot: its text so far. */
export const runningReply = z.object({ reply_id: uuid, message_id: uuid, attempt, text: z.string() })
export type RunningReply = z.infer<typeof runningReply>
export const queuedReply = z.object({ reply_id: uuid, message_id: uuid })
export type QueuedReply = z.infer<typeof queuedReply>

/** First frame of every connection. After an honoured `?after=`, the last three are null and the events follow. */
export const readyFrame = z.object({
  type: z.literal("ready"),
  conversation: conversationResource,
  cursor,
  messages: z.array(messageResource).nullable(),
  reply: runningReply.nullable(),
  queued: z.array(queuedReply).nullable(),
})

/** The acknowledgement, to every device. */
export const messageAddedFrame = z.object({
  type: z.literal("message.added"),
  message: messageResource,
  reply_id: uuid,
  cursor,
})

/** The answer to a repeat, to its socket alone. */
export const messageAcceptedFrame = z.object({ type: z.literal("message.accepted"), message_id: uuid, reply_id: uuid })

export const replyStartedFrame = z.object({
  type: z.literal("reply.started"),
  reply_id: uuid,
  message_id: uuid,
  attempt,
  cursor,
})

export const replyDeltaFrame = z.object({ type: z.literal("reply.delta"), reply_id: uuid, text: z.string(), cursor })

/** A new attempt: drop the text so far. */
export const replyRestartedFrame = z.object({ type: z.literal("reply.restarted"), reply_id: uuid, attempt, cursor })

export const replyError = z.object({ code: z.enum(replyErrorCodes), message: z.string(), retryable: z.boolean() })
export type ReplyError = z.infer<typeof replyError>
export const replyUsage = z.object({ input_tokens: z.int().min(0), output_tokens: z.int().min(0) })
export type ReplyUsage = z.infer<typeof replyUsage>

/** Exactly one for every reply; `message` is the reply as history shows it. */
export const replyEndedFrame = z.object({
  type: z.literal("reply.ended"),
  reply_id: uuid,
  status: z.enum(replyEndStatuses),
  message: messageResource,
  error: replyError.nullable(),
  usage: replyUsage.nullable(),
  cursor,
})

/** The message was erased: its text is nowhere any more. */
export const messageRemovedFrame = z.object({ type: z.literal("message.removed"), message_id: uuid, cursor })

/** The token expires soon; a running reply may still finish. */
export const authExpiringFrame = z.object({ type: z.literal("auth.expiring"), expires_at: timestamp })

/** About one frame (`ref`: its id); the socket stays open. */
export const errorFrame = z.object({
  type: z.literal("error"),
  code: z.enum(requestErrorCodes),
  message: z.string(),
  ref: z.string().nullable(),
})
export const pongFrame = z.object({ type: z.literal("pong") })

export const serverFrame = z.discriminatedUnion("type", [
  readyFrame,
  messageAddedFrame,
  messageAcceptedFrame,
  replyStartedFrame,
  replyDeltaFrame,
  replyRestartedFrame,
  replyEndedFrame,
  messageRemovedFrame,
  authExpiringFrame,
  errorFrame,
  pongFrame,
])
export type ServerFrame = z.infer<typeof serverFrame>
