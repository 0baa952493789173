import { quoteMaxLength } from "../agents/quote-block.ts"
import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { MemoryStore, Recollect, Remembered } from "../memory-ports.ts"

/** More than fit a prompt, and of each enough to tell that it is cut there. */
const limits = { quotes: 50, quoteLength: quoteMaxLength + 1 }

export interface RecollectionOptions {
  /** How long a reply waits; then it is made without. */
  maxMs: number
  /** Reads under way at a time, those counted in that nobody waits for any more: others keep their connections. */
  maxAtOnce: number
}

/** A memory that is down, slow or broken costs a reply `maxMs`, and no more. */
export function recollection(
  store: Pick<MemoryStore, "recollect">,
  logger: Logger,
  { maxMs, maxAtOnce }: RecollectionOptions,
): Recollect {
  let underWay = 0
  const waiting = new Set<() => Promise<void>>()
  return async (occasion, signal) => {
    let remembered: Remembered = { memories: [], quotes: [] }
    let isOver = false
    const done = Promise.withResolvers<void>()
    const read = async () => {
      waiting.delete(read)
      underWay += 1
      try {
        const found = await store.recollect(occasion, limits)
        if (!isOver) remembered = found
      } catch (error) {
        logger.warn({ err: error, conversation_id: occasion.conversationId }, "a reply is made without the memory")
      }
      underWay -= 1
      done.resolve()
      const [next] = waiting
      void next?.()
    }
    const onAbort = () => done.resolve()
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    if (underWay < maxAtOnce) void read()
    else waiting.add(read)
    await within(maxMs, done.promise)
    signal.removeEventListener("abort", onAbort)
    waiting.delete(read)
    isOver = true
    return remembered
  }
}
