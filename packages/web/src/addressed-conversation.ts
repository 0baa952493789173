import { useSyncExternalStore } from "react"

/** The conversation that the address names, as in `#/conversations/<id>`; null for today's. */
export function useAddressedConversation(): string | null {
  const hash = useSyncExternalStore(subscribe, () => location.hash)
  return /^#\/conversations\/([0-9a-f-]{36})$/i.exec(hash)?.[1] ?? null
}

/** Address of a conversation's page; without an id, of today's. */
export function addressOf(conversationId: string | null): string {
  return conversationId === null ? "#/" : `#/conversations/${conversationId}`
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener)
  return () => removeEventListener("hashchange", listener)
}
