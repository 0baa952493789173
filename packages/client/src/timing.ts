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
}

export const defaultTiming: Timing = {
  backoffBaseMs: 500,
  backoffMaxMs: 15_000,
  connectTimeoutMs: 15_000,
  heartbeatMs: 20_000,
  silenceMs: 8_000,
}

/** Full jitter: anywhere between at once and the exponential ceiling, so that many clients do not return in step. */
export function backoffMs(failures: number, timing: Timing, random: () => number): number {
  return random() * Math.min(timing.backoffMaxMs, timing.backoffBaseMs * 2 ** Math.min(failures, 30))
}
