import type { Conversation } from "@grizz/client"
import { useCallback, useState } from "react"

export interface Earlier {
  status: "idle" | "loading" | "failed"
  load: () => void
}

/** Reads a conversation back, a page at a time. */
export function useEarlier(conversation: Conversation): Earlier {
  const [status, setStatus] = useState<Earlier["status"]>("idle")
  const load = useCallback(() => {
    setStatus("loading")
    conversation.loadEarlier().then(
      () => setStatus("idle"),
      () => setStatus("failed"),
    )
  }, [conversation])
  return { status, load }
}
