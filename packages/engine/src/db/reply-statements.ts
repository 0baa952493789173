import type { Accepted, ContextMessage, NewMessage, ReplyJob } from "../ports.ts"
import type { Statement } from "./database.ts"

export const acceptMessage: Statement = {
  name: "grizz_accept_message",
  text: `select grizz.accept_message($1::uuid, $2::uuid, $3::uuid, $4, $5::text::jsonb, $6::uuid, $7,
    $8::text::interval, $9::integer) as accepted`,
}

export type AcceptedJson =
  | { outcome: "accepted"; position: number; created_at: string; context: ContextMessage[] | null }
  | { outcome: "repeat"; reply_id: string }
  | { outcome: "conflict" | "not_found" }

export function toAccepted(sent: NewMessage, accepted: AcceptedJson): Accepted {
  const { conversationId, messageId, content, metadata, replyId } = sent
  if (accepted.outcome === "repeat") return { outcome: "repeat", messageId, replyId: accepted.reply_id }
  if (accepted.outcome !== "accepted") return { outcome: accepted.outcome }
  const { position, created_at: createdAt, context } = accepted
  const job: ReplyJob | null = context && {
    reply: { id: replyId, conversationId, messageId, position: position + 1, attempt: 1 },
    context: [...context, { role: "user", content }],
    stopRequested: false,
  }
  const message = { id: messageId, conversationId, position, role: "user", content, metadata } as const
  return { outcome: "accepted", message: { ...message, status: "sent", createdAt }, replyId, job }
}

export const endReply: Statement = {
  name: "grizz_end_reply",
  text: `select grizz.end_reply($1::uuid, $2::uuid, $3, $4::integer, $5, $6, $7, $8::integer, $9::integer, $10,
    $11::text::interval, $12::integer) as ended`,
}

export interface EndedJson {
  created_at: string
  next: JobJson | null
}

export const expireReplies: Statement = {
  name: "grizz_expire_replies",
  text: "select e as expired from grizz.expire_replies($1, $2::text::interval, $3::integer, $4::integer) e",
}

export interface ExpiredJson {
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
  content: string
}

export function toJob(conversationId: string, json: JobJson): ReplyJob {
  const { reply_id: id, message_id: messageId, position, attempt, content } = json
  return {
    reply: { id, conversationId, messageId, position, attempt },
    context: [...json.context, { role: "user", content }],
    stopRequested: json.stop_requested,
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
