import type { GrizzClient, MemoryResource } from "@grizz/client"
import { useCallback, useEffect, useState } from "react"
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
  forget: (id: string) => Promise<boolean>
  pause: (isPaused: boolean) => Promise<boolean>
}

/** What is remembered of the user, with `query` in it. */
export function useMemories(client: GrizzClient, query: string): Memories {
  const [items, setItems] = useState<readonly MemoryResource[]>([])
  const [status, setStatus] = useState<Memories["status"]>("loading")
  const [isPaused, setPaused] = useState(false)
  const [cursor, setCursor] = useState<string | null>(null)

  const load = useCallback(
    async (after: string | null, signal?: AbortSignal) => {
      try {
        const q = query.trim() === "" ? undefined : query.trim()
        const options = signal === undefined ? {} : { signal }
        const [page, settings] = await Promise.all([
          client.call("GET /memories", { query: { cursor: after, q }, ...options }),
          client.call("GET /memories/settings", options),
        ])
        setItems((held) => (after === null ? page.data : merged(held, page.data)))
        setCursor(page.next_cursor)
        setPaused(settings.paused)
        setStatus("loaded")
      } catch {
        if (signal?.aborted !== true) setStatus("failed")
      }
    },
    [client, query],
  )
  useEffect(() => {
    const abort = new AbortController()
    // Who is still typing is not asked for every letter.
    const timer = setTimeout(() => void load(null, abort.signal), query === "" ? 0 : 200)
    return () => {
      clearTimeout(timer)
      abort.abort()
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
    hasMore: cursor !== null,
    loadMore: () => void load(cursor),
    remember: (text) => change(() => client.call("POST /memories", { body: { text } })),
    correct: (id, text) => change(() => client.call("PATCH /memories/{id}", { id, body: { text } })),
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
