import type { Logger } from "./core/logger.ts"

/** A second signal ends the process at once, but Ctrl-C under npm arrives twice, so not within this time. */
const secondSignalMs = 500

/**
 * Stops once for the first SIGTERM or SIGINT, and exits with 0, or with 1 when that fails.
 * @param abandon what is to happen at once, before a later signal ends the process
 */
export function stopOnSignal(logger: Logger, stop: () => Promise<void>, abandon: () => void = () => undefined): void {
  let firstSignalMs: number | null = null
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstSignalMs !== null) {
      if (performance.now() - firstSignalMs < secondSignalMs) return
      abandon()
      process.exit(1)
    }
    firstSignalMs = performance.now()
    logger.info({ signal }, "shutting down")
    exitAfter(logger, stop)
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
}

export function exitAfter(logger: Logger, stop: () => Promise<void>): void {
  stop().then(
    () => {
      logger.info("stopped")
      process.exit(0)
    },
    (error: unknown) => {
      logger.error({ err: error }, "the shutdown failed")
      process.exit(1)
    },
  )
}
