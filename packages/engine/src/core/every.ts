import type { Logger } from "./logger.ts"

/** Runs the task on a timer, never twice at once; a failure is logged, and the next time is another try. */
export function every(intervalMs: number, task: () => Promise<unknown>, logger: Logger): NodeJS.Timeout {
  let isRunning = false
  return setInterval(() => {
    if (isRunning) return
    isRunning = true
    task()
      .catch((error: unknown) => logger.warn({ err: error }, "background task failed"))
      .finally(() => (isRunning = false))
  }, intervalMs)
}
