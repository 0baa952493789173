import type { Conversation } from "@grizz/client"
import { useCallback, useState } from "react"

export interface Earlier {
  status: "idle" | "loading" | "failed"
  load: () => void
  /** As long a page as there is. */
  loadFar: () => void
}

/** Reads a conversation back, a page at a time. */
export function useEarlier(conversation: Conversation): Earlier {
  const [status, setStatus] = useState<Earlier["status"]>("idle")
  const read = useCallback(
    (limit: number) => {
      setStatus("loading")
      conversation.loadEarlier({ limit }).then(
        () => setStatus("idle"),
        () => setStatus("failed"),
      )
    },
    [conversation],
  )
  const load = useCallback(() => read(50), [read])
  const loadFar = useCallback(() => read(200), [read])
  return { status, load, loadFar }
}
