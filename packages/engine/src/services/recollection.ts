import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { MemoryStore, Recollect, Remembered, RecallStore } from "../ports.ts"

/** How long a reply waits for what is remembered; then it is made without. */
const recollectionMaxMs = 150
/** As many as fit a prompt, and then some. */
const maxQuotes = 40

/** What is remembered of a conversation's user. A memory that is down, slow or broken costs a reply that time, and no more. */
export function recollection(
  memories: Pick<MemoryStore, "remembered">,
  words: Pick<RecallStore, "recall">,
  logger: Logger,
): Recollect {
  return async (conversationId, context, signal) => {
    const remembered: Remembered = { memories: [], quotes: [] }
    let isOver = false
    const read = async (part: () => Promise<Partial<Remembered>>) => {
      try {
        const found = await part()
        if (!isOver) Object.assign(remembered, found)
      } catch (error) {
        logger.warn({ err: error, conversation_id: conversationId }, "a reply is made without the memory")
      }
    }
    const text = context.at(-1)?.content ?? ""
    const request = { conversationId, text, inContext: context.length, limit: maxQuotes }
    const both = Promise.all([
      read(async () => ({ memories: await memories.remembered(conversationId) })),
      read(async () => ({ quotes: await words.recall(request) })),
    ])
    const aborted = Promise.withResolvers<void>()
    const onAbort = () => aborted.resolve()
    if (signal.aborted) onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    await within(recollectionMaxMs, Promise.race([both, aborted.promise]))
    signal.removeEventListener("abort", onAbort)
    isOver = true
    return remembered
  }
}
