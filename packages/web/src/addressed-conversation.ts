import { useSyncExternalStore } from "react"

/** What the address names. Another object after every visit, so that the same message can be led to once more. */
export interface Addressed {
  hash: string
  /** Null for today's. */
  conversationId: string | null
  messageId: string | null
}

/** As in `#/conversations/<id>`, `#/conversations/<id>/messages/<id>` and, of today's conversation, `#/messages/<id>`. */
const pattern = /^#(?:\/conversations\/([0-9a-f-]{36}))?(?:\/messages\/([0-9a-f-]{36}))?$/i

let addressed = read()

/** The conversation that the address names, and the message in it. */
export function useAddressed(): Addressed {
  return useSyncExternalStore(subscribe, () => {
    if (addressed.hash !== location.hash) addressed = read()
    return addressed
  })
}

/** Address of a conversation's page, or of a message there; without an id, of today's. */
export function addressOf(conversationId: string | null, messageId: string | null = null): string {
  const conversation = conversationId === null ? "" : `/conversations/${conversationId}`
  const message = messageId === null ? "" : `/messages/${messageId}`
  return `#${conversation + message || "/"}`
}

/** Where the page is at an address already, a link to it leads nowhere: this makes it another visit. */
export function revisit(address: string): void {
  if (location.hash === address) dispatchEvent(new Event("hashchange"))
}

function subscribe(listener: () => void): () => void {
  const changed = () => {
    addressed = read()
    listener()
  }
  addEventListener("hashchange", changed)
  return () => removeEventListener("hashchange", changed)
}

function read(): Addressed {
  const [, conversationId = null, messageId = null] = pattern.exec(location.hash) ?? []
  return { hash: location.hash, conversationId, messageId }
}
