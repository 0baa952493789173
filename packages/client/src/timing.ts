/** Every wait of the SDK, in milliseconds. */
export interface Timing {
  /** Longest first wait before a reconnect; doubles with every failure in a row. */
  backoffBaseMs: number
  backoffMaxMs: number
  /** From the attempt to connect to the `ready` frame. */
  connectTimeoutMs: number
  /** Between pings on an open socket. */
  heartbeatMs: number
  /** How long a ping may stay without any frame before the socket counts as dead. */
  silenceMs: number
  /** How long an event stream may say nothing, not even a comment, before it counts as dead. */
  streamSilenceMs: number
  /** How long a message may stay without an answer before it is sent again, under the same id. */
  acknowledgeMs: number
  /** How often a token is asked for that is to take the place of one about to expire. */
  tokenRetryMs: number
  /** First wait before the engine is asked whether the day is over, where this device's clock disagrees with it. */
  dayRecheckMs: number
}

export const defaultTiming: Timing = {
  backoffBaseMs: 500,
  backoffMaxMs: 15_000,
  connectTimeoutMs: 10_000,
  heartbeatMs: 20_000,
  silenceMs: 8_000,
  streamSilenceMs: 40_000,
  acknowledgeMs: 30_000,
  tokenRetryMs: 10_000,
  dayRecheckMs: 60_000,
}

/** Full jitter: anywhere between at once and the exponential ceiling, so that many clients do not return in step. */
export function backoffMs(failures: number, timing: Timing, random: () => number): number {
  return random() * Math.min(timing.backoffMaxMs, timing.backoffBaseMs * 2 ** Math.min(failures, 30))
}
