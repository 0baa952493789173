import type { Message } from "../../src/domain.ts"
import type { ConversationView } from "../../src/ports.ts"
import { type ConversationRow, type ReplyRow, rfc3339 } from "./memory-reply-rows.ts"

const snapshotMessages = 50
const resumeMessages = 500

/** What the view statements say of one conversation at this instant. */
export function conversationView(
  row: ConversationRow,
  after: { message: number; reply: number } | null,
): ConversationView {
  const replyOf = (message: Message) => row.replies.find(({ id }) => id === message.id)
  const chosen =
    after === null
      ? row.messages.filter((message) => (replyOf(message)?.supersededBy ?? null) === null).slice(-snapshotMessages)
      : row.messages
          .filter(({ role, position }) => (role === "user" ? position > after.message : position >= after.reply))
          .slice(0, resumeMessages + 1)
  const replies = chosen.flatMap((message) => replyOf(message) ?? [])
  const running = row.replies.find(({ status }) => status === "running")
  const newestReply = row.messages.findLast(({ role }) => role === "assistant")
  return {
    conversation: {
      id: row.id,
      userId: row.userId,
      title: null,
      day: null,
      timezone: null,
      createdAt: row.createdAt,
      updatedAt: rfc3339(row.updatedAtUs),
    },
    messages: chosen.map((message) => ({ ...message })),
    ends: new Map(replies.map((reply) => [reply.id, endOf(reply)])),
    running: running === undefined ? null : { ...jobless(running), text: running.text },
    queued: row.replies
      .filter(({ status }) => status === "queued")
      .map(({ id, messageId }) => ({ replyId: id, messageId })),
    newest: {
      message: row.messages.findLast(({ role }) => role === "user")?.position ?? -1,
      endedReply: newestReply?.position ?? -1,
      endedAttempt: newestReply === undefined ? 0 : (replyOf(newestReply)?.attempt ?? 1),
    },
    erased: row.erased,
  }
}

export function jobless({ id, conversationId, messageId, position, attempt }: ReplyRow) {
  return { id, conversationId, messageId, position, attempt }
}

function endOf({ messageId, attempt, errorCode, usage, endedAt }: ReplyRow) {
  return { messageId, attempt, errorCode, usage, endedAt: endedAt! }
}
