import type { ConversationOutline } from "@grizz/client/react"
import { useState } from "react"

/**
 * Id of the reply that was running already when the line came up, for the first time or again, or that another server
 * took over; null when there is none.
 */
export function useResumedReply({ connection, reply }: ConversationOutline): string | null {
  const [wasAway, setWasAway] = useState(true)
  const [resumed, setResumed] = useState<string | null>(null)
  const isAway = connection.status !== "open"
  if (isAway !== wasAway) {
    setWasAway(isAway)
    if (!isAway && reply !== null) setResumed(reply.id)
  }
  return reply !== null && reply.attempt > 1 ? reply.id : resumed
}
