import type { ConversationResource } from "@grizz/client"
import { texts } from "./texts.ts"
import { useLocalDay } from "./local-day.ts"
import { writtenDay } from "./days.ts"

/** The head of a conversation: its day, and with whom one speaks. */
export function ConversationStart({ conversation }: { conversation: ConversationResource | null }) {
  const today = useLocalDay()
  const day = conversation?.conv_day ?? null
  return (
    <p className="conversation-start">
      {day !== null && <time dateTime={day}>{writtenDay(day, today)}</time>}
      <span>{texts.transcript.start}</span>
    </p>
  )
}
