import type { GrizzClient, SearchHit } from "@grizz/client"
import { useCallback, useEffect, useRef, useState } from "react"

export interface Search {
  /** `idle`: nothing is asked for. While it is `loading` the hits are those of the words before. */
  status: "idle" | "loading" | "loaded" | "failed"
  hits: readonly SearchHit[]
  hasMore: boolean
  loadMore: () => void
  retry: () => void
}

interface Answer {
  words: string
  hits: readonly SearchHit[]
  cursor: string | null
}

const nothing: Answer = { words: "", hits: [], cursor: null }

/** What was said with the words of `query` in it. */
export function useSearch(client: GrizzClient, query: string): Search {
  const words = query.trim()
  const [answer, setAnswer] = useState(nothing)
  const [status, setStatus] = useState<Search["status"]>("idle")

  const request = useRef<AbortController | null>(null)

  const load = useCallback(
    async (cursor: string | null) => {
      const { signal } = (request.current = new AbortController())
      setStatus("loading")
      try {
        const page = await client.search(words, { cursor, signal })
        if (signal.aborted) return
        setAnswer((held) => ({
          words,
          hits: cursor === null ? page.data : [...held.hits, ...page.data],
          cursor: page.next_cursor,
        }))
        setStatus("loaded")
      } catch {
        if (!signal.aborted) setStatus("failed")
      }
    },
    [client, words],
  )
  useEffect(() => {
    const look = () => {
      if (words !== "") return void load(null)
      setAnswer(nothing)
      setStatus("idle")
      return undefined
    }
    // Who is still typing is not asked for every letter.
    const timer = setTimeout(look, words === "" ? 0 : 200)
    return () => {
      clearTimeout(timer)
      request.current?.abort()
    }
  }, [load, words])

  return {
    status,
    hits: answer.hits,
    // A cursor is one of the words that it came with.
    hasMore: answer.cursor !== null && answer.words === words,
    loadMore: () => void load(answer.cursor),
    retry: () => void load(null),
  }
}
