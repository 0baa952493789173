import type { Conversation, ConversationState } from "@grizz/client"
import { useState, useSyncExternalStore } from "react"
import { Icon } from "./icons.tsx"
import { texts } from "./texts.ts"

/** Leads back to the end, and tells whether something was said there since it was left: since this was mounted. */
export function NewestButton({ conversation, onClick }: { conversation: Conversation; onClick: () => void }) {
  const [leftAt] = useState(() => endOf(conversation.state))
  const isNew = useSyncExternalStore(conversation.subscribe, () => endOf(conversation.state) !== leftAt)
  return (
    <button type="button" className="newest" data-new={isNew} onClick={onClick}>
      <Icon name="down" size={18} />
      {isNew && <span>{texts.transcript.newBelow}</span>}
      <span>{texts.transcript.newest}</span>
    </button>
  )
}

function endOf({ messages, reply, pending }: ConversationState): string {
  return [messages.at(-1)?.id, reply?.id, reply?.text.length, pending.at(-1)?.id].join(" ")
}
