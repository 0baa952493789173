import { ChatError } from "../core/errors.ts"

/** Asks once more when the answer was lost: ids make that safe, and tell whether the first try was committed. */
export async function twice<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ChatError && error.isOutcomeUnknown) return ask()
    throw error
  }
}
