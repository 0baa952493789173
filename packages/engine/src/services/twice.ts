import { ChatError } from "../core/errors.ts"

/**
 * Asks once more when the answer was lost: ids make that safe, and tell whether the first try was committed.
 * @param ask `isRepeat`: the first try may have been
 */
export async function twice<T>(ask: (isRepeat: boolean) => Promise<T>): Promise<T> {
  try {
    return await ask(false)
  } catch (error) {
    if (error instanceof ChatError && error.isOutcomeUnknown) return ask(true)
    throw error
  }
}
