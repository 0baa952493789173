import type { MessageStatus, ReplyErrorCode } from "@grizz/protocol/constants"
import type { Conversation, Message, ReplyUsage } from "../domain.ts"

export interface ConversationRow {
  id: string
  user_id: string
  title: string | null
  conv_day: string | null
  timezone: string | null
  created_at: string
  updated_at: string
}

/** Columns of a ConversationRow from table or alias `c`; all as text, so that no driver moves a day by a zone. */
export const conversationColumns = `c.id::text as id, c.user_id::text as user_id, c.title, c.conv_day::text as conv_day,
  c.timezone, grizz.rfc3339(c.created_at) as created_at, grizz.rfc3339(c.updated_at) as updated_at`

export function toConversation(row: ConversationRow): Conversation {
  return {
    id: row.id,
    userId: row.user_id,
    title: row.title,
    day: row.conv_day,
    timezone: row.timezone,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

export interface MessageJson {
  id: string
  position: number
  role: "user" | "assistant"
  content: string
  metadata: Record<string, unknown> | null
  status: MessageStatus
  created_at: string
}

/** Messages `m` with their rows `r`, one look each whatever the plan: `limit` keeps it from becoming a join of the tables. */
export const messagesWithReplies = `public.messages m
  left join lateral (select * from grizz.replies where grizz.replies.id = m.id limit 1) r on true`

/** A MessageJson from `m` (public.messages) and `r` (its row of grizz.replies, if it is a reply of this engine). */
export const messageJson = `json_build_object('id', m.id, 'position', m.position, 'role', m.role, 'content', m.content,
  'metadata', case when jsonb_typeof(m.metadata) = 'object' then m.metadata end,
  'status', case when m.role = 'user' then 'sent' else coalesce(r.status, 'completed') end,
  'created_at', grizz.rfc3339(m.created_at))`

export function toMessage(conversationId: string, json: MessageJson): Message {
  const { id, position, role, content, metadata, status, created_at: createdAt } = json
  return { id, conversationId, position, role, content, metadata, status, createdAt }
}

export interface EndJson {
  reply_id: string
  message_id: string
  attempt: number
  error_code: ReplyErrorCode | null
  input_tokens: number | null
  output_tokens: number | null
  ended_at: string
}

export const endJson = `json_build_object('reply_id', r.id, 'message_id', r.message_id, 'attempt', r.attempt,
  'error_code', r.error_code, 'input_tokens', r.input_tokens, 'output_tokens', r.output_tokens,
  'ended_at', grizz.rfc3339(r.ended_at))`

/** Null where the model did not tell. */
export function toReplyUsage(row: Pick<EndJson, "input_tokens" | "output_tokens">): ReplyUsage | null {
  const { input_tokens: inputTokens, output_tokens: outputTokens } = row
  return inputTokens === null || outputTokens === null ? null : { inputTokens, outputTokens }
}
