import type { ConversationResource, GrizzClient } from "@grizz/client"
import { useCallback, useEffect, useRef, useState } from "react"

export interface Days {
  conversations: readonly ConversationResource[]
  status: "loading" | "loaded" | "failed"
  hasMore: boolean
  loadMore: () => void
  /** Reads the list from its beginning again. */
  reload: () => void
}

/** The user's conversations in which something was said, page by page. */
export function useDays(client: GrizzClient): Days {
  const [conversations, setConversations] = useState<readonly ConversationResource[]>([])
  const [status, setStatus] = useState<Days["status"]>("loading")
  const [cursor, setCursor] = useState<string | null>(null)
  const isRead = useRef(false)
  const request = useRef<AbortController | null>(null)

  const load = useCallback(
    async (after: string | null) => {
      request.current?.abort()
      const { signal } = (request.current = new AbortController())
      try {
        const query = { cursor: after, limit: 200, empty: false }
        const page = await client.call("GET /conversations", { query, signal })
        setConversations((held) => (after === null ? merged(page.data, held) : merged(held, page.data)))
        // What was read further back stays.
        setCursor((at) => (after === null && isRead.current ? at : page.next_cursor))
        isRead.current = true
        setStatus("loaded")
      } catch {
        if (!signal.aborted) setStatus("failed")
      }
    },
    [client],
  )
  useEffect(() => {
    void load(null)
    return () => request.current?.abort()
  }, [load])

  const reload = useCallback(() => void load(null), [load])
  const loadMore = useCallback(() => void load(cursor), [load, cursor])
  return { conversations, status, hasMore: cursor !== null, loadMore, reload }
}

/** The first list, and what only the second one has: a page that is asked for twice is there once. */
export function merged<Item extends { id: string }>(first: readonly Item[], second: readonly Item[]): Item[] {
  const ids = new Set(first.map(({ id }) => id))
  return [...first, ...second.filter(({ id }) => !ids.has(id))]
}
