/** The value below which the share `share` (0 to 1) of the values lies; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  const at = Math.min(sorted.length - 1, Math.floor(share * sorted.length))
  return sorted[at] ?? Number.NaN
}

/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export interface Spread {
  p50: number
  p99: number
}

export function spread(values: readonly number[]): Spread {
  return { p50: round(quantile(values, 0.5), 2), p99: round(quantile(values, 0.99), 2) }
}

/**
 * The median of the rounds' ratios: the rounds alternate, so that a change of the machine's speed falls on both sides
 * of each quotient. @throws Error unless both have the same rounds, and at least one
 */
export function ratioOfRounds(upper: readonly number[], lower: readonly number[]): number {
  if (upper.length !== lower.length || upper.length === 0) throw new Error("only rounds in pairs can be compared")
  return round(median(upper.map((value, at) => value / lower[at]!)), 3)
}

export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits))
}
