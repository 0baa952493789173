import type { MessageResource, ReplyError } from "@grizz/protocol"
import type { ConversationState, LiveReply, PendingMessage } from "./conversation-state.ts"

/** One thing to show. Its `key` stays the same from pending to sent, and from waiting through writing to ended. */
export type TimelineItem<Reply = LiveReply> =
  | { kind: "message"; key: string; message: MessageResource; error: ReplyError | null }
  | { kind: "waiting"; key: string }
  | { kind: "writing"; key: string; reply: Reply }
  | { kind: "pending"; key: string; pending: PendingMessage }

/** The conversation in reading order: every reply below the message it answers, what is not acknowledged last. */
export function timeline<Reply extends Pick<LiveReply, "id" | "messageId">>(
  state: Pick<ConversationState, "messages" | "queued" | "pending" | "replyErrors"> & { reply: Reply | null },
): TimelineItem<Reply>[] {
  const unended = new Map<string, TimelineItem<Reply>>()
  for (const one of state.queued) unended.set(one.message_id, { kind: "waiting", key: one.reply_id })
  if (state.reply !== null) {
    unended.set(state.reply.messageId, { kind: "writing", key: state.reply.id, reply: state.reply })
  }
  const items: TimelineItem<Reply>[] = []
  for (const message of state.messages) {
    items.push({ kind: "message", key: message.id, message, error: state.replyErrors[message.id] ?? null })
    const reply = unended.get(message.id)
    if (reply !== undefined) items.push(reply)
    unended.delete(message.id)
  }
  items.push(...unended.values())
  for (const pending of state.pending) items.push({ kind: "pending", key: pending.id, pending })
  return items
}
