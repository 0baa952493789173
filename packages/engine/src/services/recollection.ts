import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { MemoryStore, Recollect, RememberedMemory } from "../memory-ports.ts"

/** How long a reply waits for what is remembered; then it is made without. */
const recollectionMaxMs = 150

/** What is remembered of a conversation's user. A memory that is down, slow or broken costs a reply that time, and no more. */
export function recollection(store: Pick<MemoryStore, "remembered">, logger: Logger): Recollect {
  return async (conversationId, signal) => {
    let memories: RememberedMemory[] = []
    let isOver = false
    const read = async () => {
      try {
        const found = await store.remembered(conversationId)
        if (!isOver) memories = found
      } catch (error) {
        logger.warn({ err: error, conversation_id: conversationId }, "a reply is made without the memory")
      }
    }
    const aborted = Promise.withResolvers<void>()
    const onAbort = () => aborted.resolve()
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    await within(recollectionMaxMs, Promise.race([read(), aborted.promise]))
    signal.removeEventListener("abort", onAbort)
    isOver = true
    return { memories }
  }
}
