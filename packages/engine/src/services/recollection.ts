import { quoteMaxLength } from "../agents/quote-block.ts"
import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { MemoryStore, Recollect, Remembered } from "../memory-ports.ts"
import { fuseQuotes } from "./fuse-quotes.ts"
import type { FindByMeaning } from "./meaning.ts"

/** As many as fit a prompt where they are short, and of each enough to tell that it is cut there. */
const limits = { quotes: 32, quoteLength: quoteMaxLength + 1, totalLength: 9000 }

export interface RecollectionOptions {
  /** How long a reply waits; then it is made without. */
  maxMs: number
  /** Reads under way at a time, those counted in that nobody waits for any more: others keep their connections. */
  maxAtOnce: number
  /** Null where nothing is found by meaning. */
  find: FindByMeaning | null
}

/**
 * A memory that is down, slow or broken costs a reply `maxMs`, and no more. What goes wrong with meaning, or comes late, takes
 * nothing from what is found by words.
 */
export function recollection(
  store: Pick<MemoryStore, "recollect">,
  logger: Logger,
  { maxMs, maxAtOnce, find }: RecollectionOptions,
): Recollect {
  let underWay = 0
  const waiting = new Set<() => Promise<void>>()
  return async (occasion, question, signal) => {
    let remembered: Remembered = { memories: [], quotes: [], today: null }
    let isOver = false
    const done = Promise.withResolvers<void>()
    const read = async () => {
      waiting.delete(read)
      underWay += 1
      const byWords = store.recollect(occasion, limits)
      const near = find?.(occasion, question, limits, byWords, signal) ?? []
      try {
        const found = await byWords
        if (!isOver) remembered = found
        const quotes = fuseQuotes(found.quotes, await near)
        if (!isOver) remembered = { ...found, quotes }
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
