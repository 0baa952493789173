import { quoteMaxLength } from "../agents/quote-block.ts"
import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { MemoryStore, Recollect, Remembered } from "../memory-ports.ts"

/** More than fit a prompt, and of each enough to tell that it is cut there. */
const limits = { quotes: 50, quoteLength: quoteMaxLength + 1 }

/** A memory that is down, slow or broken costs a reply `maxMs`, and no more: then it is made without. */
export function recollection(store: Pick<MemoryStore, "recollect">, logger: Logger, maxMs: number): Recollect {
  return async (occasion, signal) => {
    let remembered: Remembered = { memories: [], quotes: [] }
    let isOver = false
    const read = async () => {
      try {
        const found = await store.recollect(occasion, limits)
        if (!isOver) remembered = found
      } catch (error) {
        logger.warn({ err: error, conversation_id: occasion.conversationId }, "a reply is made without the memory")
      }
    }
    const aborted = Promise.withResolvers<void>()
    const onAbort = () => aborted.resolve()
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    await within(maxMs, Promise.race([read(), aborted.promise]))
    signal.removeEventListener("abort", onAbort)
    isOver = true
    return remembered
  }
}
