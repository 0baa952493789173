import type { Message } from "../domain.ts"
import type { Accepted, ContextMessage, NewMessage, ReplyJob, ReplyOutcome } from "../ports.ts"
import type { Statement } from "./database.ts"

export const acceptMessage: Statement = {
  name: "grizz_accept_message",
  text: `select grizz.accept_message($1::uuid, $2::uuid, $3::uuid, $4, $5::text::jsonb, $6::uuid, $7,
    $8::text::interval, $9::integer, $10) as accepted`,
}

export type AcceptedJson =
  | {
      outcome: "accepted"
      position: number
      created_at: string
      /** Replies that were asked to stop for this message. */
      interrupted: string[]
      context: ContextMessage[] | null
      /** Null with the context. */
      recollects: boolean | null
    }
  /** `message` is absent where the user erased it. */
  | { outcome: "repeat"; reply_id: string; message?: JobMessageJson; job?: JobJson | null }
  | { outcome: "conflict" | "not_found" | "in_progress" }

export function toAccepted(sent: NewMessage, accepted: AcceptedJson): Accepted {
  const { conversationId, messageId, content, metadata, replyId } = sent
  if (accepted.outcome === "repeat") {
    const { reply_id, message, job } = accepted
    return {
      outcome: "repeat",
      messageId,
      replyId: reply_id,
      message: message === undefined ? null : toAsked(conversationId, messageId, message),
      job: job ? toJob(conversationId, job) : null,
    }
  }
  if (accepted.outcome !== "accepted") return { outcome: accepted.outcome }
  const { position, created_at, context, recollects, interrupted } = accepted
  const message = toAsked(conversationId, messageId, { position, content, metadata, created_at })
  const job: ReplyJob | null = context && {
    reply: { id: replyId, conversationId, messageId, position: position + 1, attempt: 1 },
    message,
    context: [...context, { role: "user", content }],
    recollects: recollects ?? true,
    stopRequested: false,
  }
  return { outcome: "accepted", message, replyId, job, interrupted }
}

export const endReply: Statement = {
  name: "grizz_end_reply",
  text: `select grizz.end_reply($1::uuid, $2::uuid, $3, $4::integer, $5, $6, $7, $8::integer, $9::integer, $10,
    $11::text::interval, $12::integer, $13::text::jsonb) as ended`,
}

export interface EndedJson {
  created_at: string
  /** What was saved before, when this end was saved already. */
  stored: {
    status: ReplyOutcome["status"]
    text: string
    error_code: ReplyOutcome["errorCode"]
    input_tokens: number | null
    output_tokens: number | null
    metadata: Record<string, unknown> | null
  } | null
  next: JobJson | null
}

export const takeOver: Statement = {
  name: "grizz_take_over",
  text: `select grizz.take_over_conversation($1::uuid, $2, $3::text::interval, $4::integer, $5::integer) as taken`,
}

export const lateConversations: Statement = {
  name: "grizz_late_conversations",
  isUrgent: true,
  text: `select r.conversation_id::text as id from grizz.replies r
    where r.status in ('queued', 'running')
    group by r.conversation_id
    having bool_and(r.status = 'queued' or r.lease_until < clock_timestamp())
    limit $1::integer`,
}

export const conversationOf: Statement = {
  name: "grizz_conversation_of",
  text: "select r.conversation_id::text as id from grizz.replies r where r.id = $2::uuid and r.user_id = $1::uuid",
}

export const retryReply: Statement = {
  name: "grizz_retry_reply",
  text: "select grizz.retry_reply($1::uuid, $2::uuid, $3::uuid, $4, $5::text::interval, $6::integer) as retried",
}

export type RetriedJson =
  | { outcome: "accepted"; conversation_id: string; message_id: string; job: JobJson | null }
  | { outcome: "conflict" | "not_found" }

export const eraseMessage: Statement = {
  name: "grizz_erase_message",
  text: "select grizz.erase_message($1::uuid, $2::uuid, $3::uuid) as erased",
}

/** Gives the owner's replies back: their leases end now, and the calls made for them do not count. */
export const handOver: Statement = {
  name: "grizz_hand_over",
  isUrgent: true,
  text: `update grizz.replies r
    set lease_until = '-infinity', calls = r.calls - 1, text = mine.text
    from unnest($2::uuid[], $3::integer[], $4::text[]) as mine (id, attempt, text)
    where r.id = mine.id and r.attempt = mine.attempt and r.lease_owner = $1 and r.status = 'running'`,
}

export interface TakenJson {
  conversation_id: string
  ended: {
    reply_id: string
    message_id: string
    position: number
    attempt: number
    status: "stopped" | "failed"
    text: string
    created_at: string
  } | null
  next: JobJson | null
}

interface JobJson {
  reply_id: string
  message_id: string
  position: number
  attempt: number
  stop_requested: boolean
  context: ContextMessage[]
  recollects: boolean
  /** Null where the user erased it. */
  message: JobMessageJson | null
}

interface JobMessageJson {
  position: number
  content: string
  metadata: Record<string, unknown> | null
  created_at: string
}

function toAsked(conversationId: string, id: string, json: JobMessageJson): Message {
  const { position, content, metadata, created_at: createdAt } = json
  return { id, conversationId, position, role: "user", content, metadata, status: "sent", createdAt }
}

export function toJob(conversationId: string, json: JobJson): ReplyJob {
  const { reply_id: id, message_id: messageId, position, attempt, context, recollects, message } = json
  return {
    reply: { id, conversationId, messageId, position, attempt },
    message: message && toAsked(conversationId, messageId, message),
    context: message === null ? context : [...context, { role: "user", content: message.content }],
    recollects,
    stopRequested: json.stop_requested || message === null,
  }
}

/** One row where there was such a reply; whether there was something left to stop. */
export const requestStop: Statement = {
  name: "grizz_request_stop",
  text: `with asked as (
      update grizz.replies r set stop_requested_at = coalesce(r.stop_requested_at, clock_timestamp())
      where r.id = $2::uuid and r.user_id = $1::uuid and r.status in ('queued', 'running')
      returning r.id
    )
    select exists (select from asked) as requested
    from grizz.replies r where r.id = $2::uuid and r.user_id = $1::uuid`,
}

/** Rows only for what the owner must hear of: replies to stop, and lost ones. */
export const renewLeases: Statement = {
  name: "grizz_renew_leases",
  isUrgent: true,
  text: `with mine as (
      select * from unnest($2::uuid[], $3::integer[], $4::text[]) as held (id, attempt, text)
    ), renewed as (
      update grizz.replies r set lease_until = clock_timestamp() + $5::text::interval, text = mine.text
      from mine
      where r.id = mine.id and r.attempt = mine.attempt and r.lease_owner = $1 and r.status = 'running'
      returning r.id, r.stop_requested_at is not null as stop_requested
    )
    select mine.id::text as id, renewed.id is null as lost
    from mine left join renewed on renewed.id = mine.id
    where renewed.id is null or renewed.stop_requested`,
}
