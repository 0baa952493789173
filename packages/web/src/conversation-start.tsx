import { texts } from "./texts.ts"

/** Before the first message: with whom one speaks. */
export function ConversationStart() {
  return <p className="conversation-start">{texts.transcript.start}</p>
}
