/** Milliseconds on the machine's monotonic clock, which all processes share; finer than a microsecond. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
