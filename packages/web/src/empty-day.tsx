import type { ConversationOutline } from "@grizz/client/react"
import { useState } from "react"
import { Icon } from "./icons.tsx"
import { Scene, sceneHourOf } from "./scene.tsx"
import { texts } from "./texts.ts"

interface EmptyDayProps {
  state: ConversationOutline
  past: boolean
  onStart: (text: string) => void
}

/** Before the first word of a day: a greeting and three ways to begin. */
export function EmptyDay({ state, past, onStart }: EmptyDayProps) {
  const [hour] = useState(() => new Date().getHours())
  // The connection's own message says why there is nothing.
  if (state.connection.status === "closed") return null
  if (state.conversation === null) return <p className="transcript-note">{texts.transcript.loading}</p>
  if (past) return <p className="transcript-note">{texts.transcript.emptyPast}</p>
  return (
    <div className="empty-day">
      <Scene hour={sceneHourOf(hour)} />
      <p className="empty-title">{texts.transcript.emptyTitle(hour)}</p>
      <p className="empty-lead">{texts.transcript.emptyLead}</p>
      <ul className="starters">
        {texts.transcript.starters.map((starter) => (
          <li key={starter}>
            <button type="button" className="starter" onClick={() => onStart(starter)}>
              {starter}
              <Icon name="forward" size={18} />
            </button>
          </li>
        ))}
      </ul>
      <p className="empty-start">{texts.transcript.start}</p>
    </div>
  )
}
