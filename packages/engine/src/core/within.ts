/** Waits for a task, but not for longer than that. Rejects when the task does within that time. */
export async function within(limitMs: number, task: Promise<unknown>): Promise<void> {
  const { promise: isLate, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, limitMs)
  try {
    await Promise.race([task, isLate])
  } finally {
    clearTimeout(timer)
  }
}
