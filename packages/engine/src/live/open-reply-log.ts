import { within } from "../core/within.ts"
import { LiveReplyLog } from "./live-reply-log.ts"
import { RedisLink } from "./redis-link.ts"

export interface OpenReplyLogOptions {
  /** `redis://` or `rediss://`; null where this is the only node. */
  redisUrl: string | null
  /** Called when Redis begins or ceases to answer, once per change; `error` says why it does not. */
  onChange: (isUp: boolean, error: Error | null) => void
  /** Called when Redis begins or ceases to refuse what it is told to store, once per change. */
  onRefusal?: (error: Error | null) => void
}

export interface OpenReplyLog {
  log: LiveReplyLog
  close: () => void
}

/** How often is looked after what was not told, and how soon when that is known, in ms. */
const tickMs = 250
const soonMs = 50
/** How long the start of a node waits for Redis, in ms. */
const openTimeoutMs = 1500

/** A log with its timers. Resolves whether or not Redis answers: it is never the truth, and never in the way. */
export async function openReplyLog({ redisUrl, onChange, onRefusal }: OpenReplyLogOptions): Promise<OpenReplyLog> {
  const { promise: changed, resolve } = Promise.withResolvers<void>()
  let isKnown = false
  let soonTimer: NodeJS.Timeout | null = null
  const log = new LiveReplyLog({
    connect: redisUrl === null ? null : (events) => new RedisLink({ url: redisUrl, ...events }),
    onChange: (isUp, error) => {
      isKnown = true
      resolve()
      onChange(isUp, error)
    },
    ...(onRefusal && { onRefusal }),
    onRestless: () => {
      soonTimer ??= setTimeout(() => {
        soonTimer = null
        log.tick()
      }, soonMs)
    },
    now: () => performance.now(),
  })
  const tickTimer = setInterval(() => log.tick(), tickMs).unref()
  const close = () => {
    clearInterval(tickTimer)
    if (soonTimer !== null) clearTimeout(soonTimer)
    log.close()
  }
  if (redisUrl === null) return { log, close }
  await within(openTimeoutMs, changed)
  if (!isKnown) onChange(false, log.trouble)
  return { log, close }
}
