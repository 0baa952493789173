import type { LiveReplyLog } from "../../src/live/live-reply-log.ts"
import { openReplyLog } from "../../src/live/open-reply-log.ts"

/** One node's log, and what it said of Redis. */
export interface RedisNode {
  log: LiveReplyLog
  close(): void
  /** `up` and `down`, in order. */
  changes: string[]
  /** `refuses` and `stores`, in order. */
  refusals: string[]
  /** Resolves when the last change was this one. */
  isNow(change: "up" | "down"): Promise<void>
}

export async function openRedisNode(url: string): Promise<RedisNode> {
  const changes: string[] = []
  let wake = Promise.withResolvers<void>()
  const onChange = (isUp: boolean) => {
    changes.push(isUp ? "up" : "down")
    wake.resolve()
  }
  const refusals: string[] = []
  const onRefusal = (error: Error | null) => void refusals.push(error === null ? "stores" : "refuses")
  const { log, close } = await openReplyLog({ redisUrl: url, onChange, onRefusal })
  const isNow = async (change: "up" | "down") => {
    while (changes.at(-1) !== change) {
      wake = Promise.withResolvers()
      await wake.promise
    }
  }
  return { log, close, changes, refusals, isNow }
}
