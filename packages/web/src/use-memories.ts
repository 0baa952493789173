import type { GrizzClient, MemoryResource } from "@grizz/client"
import { useCallback, useEffect, useRef, useState } from "react"
import { merged } from "./use-days.ts"

export interface Memories {
  items: readonly MemoryResource[]
  status: "loading" | "loaded" | "failed"
  isPaused: boolean
  hasMore: boolean
  loadMore: () => void
  /** These resolve to whether the engine did it; then the list shows it. */
  remember: (text: string) => Promise<boolean>
  correct: (id: string, text: string) => Promise<boolean>
  pin: (id: string, isPinned: boolean) => Promise<boolean>
  forget: (id: string) => Promise<boolean>
  pause: (isPaused: boolean) => Promise<boolean>
}

/** What is remembered of the user, with `query` in it. */
export function useMemories(client: GrizzClient, query: string): Memories {
  const [items, setItems] = useState<readonly MemoryResource[]>([])
  const [status, setStatus] = useState<Memories["status"]>("loading")
  const [isPaused, setPaused] = useState(false)
  /** A cursor is one of the words that it came with. */
  const [next, setNext] = useState<{ query: string; cursor: string | null }>({ query, cursor: null })

  const request = useRef(new AbortController())

  const load = useCallback(
    async (after: string | null) => {
      // Only the newest question counts: an older answer would be of other words, or of a list that changed.
      request.current.abort()
      const { signal } = (request.current = new AbortController())
      try {
        const q = query.trim() === "" ? undefined : query.trim()
        const [page, settings] = await Promise.all([
          client.call("GET /memories", { query: { cursor: after, q }, signal }),
          client.call("GET /memories/settings", { signal }),
        ])
        if (signal.aborted) return
        setItems((held) => (after === null ? page.data : merged(held, page.data)))
        setNext({ query, cursor: page.next_cursor })
        setPaused(settings.paused)
        setStatus("loaded")
      } catch {
        if (!signal.aborted) setStatus("failed")
      }
    },
    [client, query],
  )
  useEffect(() => {
    // Who is still typing is not asked for every letter.
    const timer = setTimeout(() => void load(null), query === "" ? 0 : 200)
    return () => {
      clearTimeout(timer)
      request.current.abort()
    }
  }, [load, query])

  const change = useCallback(
    async (call: () => Promise<unknown>) => {
      try {
        await call()
      } catch {
        setStatus("failed")
        return false
      }
      await load(null)
      return true
    },
    [load],
  )
  return {
    items,
    status,
    isPaused,
    hasMore: next.query === query && next.cursor !== null,
    loadMore: () => void load(next.cursor),
    remember: (text) => change(() => client.call("POST /memories", { body: { text } })),
    correct: (id, text) => change(() => client.call("PATCH /memories/{id}", { id, body: { text } })),
    pin: (id, pinned) => change(() => client.call("PATCH /memories/{id}", { id, body: { pinned } })),
    forget: (id) => change(() => client.call("DELETE /memories/{id}", { id })),
    pause: async (paused) => {
      // At once, as a box does that is ticked; taken back where the engine did not hear it.
      setPaused(paused)
      const isDone = await change(() => client.call("PATCH /memories/settings", { body: { paused } }))
      if (!isDone) setPaused(!paused)
      return isDone
    },
  }
}
