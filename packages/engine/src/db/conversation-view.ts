import type { ConversationView, StoredReplyEnd } from "../ports.ts"
import type { Statement } from "./database.ts"
import {
  type ConversationRow,
  conversationColumns,
  type EndJson,
  endJson,
  type MessageJson,
  messageJson,
  messagesWithReplies,
  toConversation,
  toMessage,
  toReplyUsage,
} from "./rows.ts"

export interface ViewRow extends ConversationRow {
  messages: { message: MessageJson; end: EndJson | null }[]
  running: { reply_id: string; message_id: string; position: number; attempt: number; text: string } | null
  queued: { reply_id: string; message_id: string }[]
  newest_message: number
  newest_reply: { position: number; attempt: number } | null
  erased: number
}

/** One statement is one snapshot: what it says of messages, replies and the running text is of one instant. */
function viewStatement(name: string, chosen: string): Statement {
  return {
    name,
    text: `select ${conversationColumns},
      coalesce((
        select json_agg(json_build_object('message', chosen.message, 'end', chosen.ending) order by chosen.position)
        from (
          select m.position, ${messageJson} as message, case when r.id is not null then ${endJson} end as ending
          from ${messagesWithReplies}
          where m.conversation_id = c.id and m.role in ('user', 'assistant') and ${chosen}
        ) chosen
      ), '[]') as messages,
      (
        select json_build_object('reply_id', r.id, 'message_id', r.message_id, 'position', r.position,
          'attempt', r.attempt, 'text', r.text)
        from grizz.replies r where r.conversation_id = c.id and r.status = 'running'
      ) as running,
      coalesce((
        select json_agg(json_build_object('reply_id', r.id, 'message_id', r.message_id) order by r.position)
        from grizz.replies r where r.conversation_id = c.id and r.status = 'queued'
      ), '[]') as queued,
      coalesce((
        select m.position from public.messages m where m.conversation_id = c.id and m.role = 'user'
        order by m.position desc limit 1
      ), -1) as newest_message,
      (
        select json_build_object('position', m.position, 'attempt', coalesce(r.attempt, 1))
        from ${messagesWithReplies}
        where m.conversation_id = c.id and m.role = 'assistant' order by m.position desc limit 1
      ) as newest_reply,
      coalesce((select e.count from grizz.erasures e where e.conversation_id = c.id), 0) as erased
      from public.conversations c where c.id = $2::uuid and c.user_id = $1::uuid`,
  }
}

export const newestView = viewStatement(
  "grizz_view_newest",
  "r.superseded_by is null order by m.position desc limit $3::integer",
)

// least(): every row that can match lies above it, so that the index on the position serves both conditions.
export const viewAfter = viewStatement(
  "grizz_view_after",
  `m.position > least($3::integer, $4::integer - 1)
   and ((m.role = 'user' and m.position > $3::integer) or (m.role = 'assistant' and m.position >= $4::integer))
   order by m.position limit $5::integer`,
)

export function toConversationView(row: ViewRow): ConversationView {
  const ends = new Map<string, StoredReplyEnd>()
  for (const { end } of row.messages) if (end !== null) ends.set(end.reply_id, toStoredEnd(end))
  const { running } = row
  return {
    conversation: toConversation(row),
    messages: row.messages.map(({ message }) => toMessage(row.id, message)),
    ends,
    running: running && {
      id: running.reply_id,
      conversationId: row.id,
      messageId: running.message_id,
      position: running.position,
      attempt: running.attempt,
      text: running.text,
    },
    queued: row.queued.map((queued) => ({ replyId: queued.reply_id, messageId: queued.message_id })),
    newest: {
      message: row.newest_message,
      endedReply: row.newest_reply?.position ?? -1,
      endedAttempt: row.newest_reply?.attempt ?? 0,
    },
    erased: row.erased,
  }
}

function toStoredEnd(end: EndJson): StoredReplyEnd {
  const { message_id: messageId, attempt, error_code: errorCode, ended_at: endedAt } = end
  return { messageId, attempt, errorCode, usage: toReplyUsage(end), endedAt }
}
