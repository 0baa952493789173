import type { Conversation } from "@grizz/client"
import { useSyncExternalStore } from "react"

/**
 * The text of a reply, `stored` or as far as it is written. Renders with every piece of this reply, and of no other; from
 * its first word to its end it is the same component, so that no finished paragraph is read twice.
 */
export function useReplyText(conversation: Conversation, replyId: string, stored: string | null): string {
  return useSyncExternalStore(conversation.subscribe, () => {
    if (stored !== null) return stored
    const { reply } = conversation.state
    return reply?.id === replyId ? reply.text : ""
  })
}
