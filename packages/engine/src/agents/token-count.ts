import { createHash } from "node:crypto"

/** How many tokens a text is for the model; of one that has more than `enough`, some number above that. */
export type CountTokens = (text: string, enough?: number) => number

/** The tokenizer is quadratic on long unbroken runs; a slice of this many UTF-16 units bounds it, for about 0.5 % too many. */
const sliceLength = 1024

/**
 * So many counts are kept, of slices that came last: what is quoted or remembered once is so again in the next turns. By
 * their digests, so that no text of a user outlives its use.
 */
const countsKept = 4096

/** What no text exceeds in tokens: each token stands for at least one byte. */
export function tokensAtMost(text: string): number {
  return Buffer.byteLength(text)
}

let counter: Promise<CountTokens> | undefined

/**
 * The exact counter (o200k_base). Loading its table keeps everybody waiting for a fifth of a second: a server does that
 * before it listens.
 */
export function loadTokenCounter(): Promise<CountTokens> {
  counter ??= import("gpt-tokenizer/encoding/o200k_base").then(({ countTokens }) => {
    // Text that looks like a special token is ordinary text; by default the tokenizer throws at it.
    const options = { disallowedSpecial: new Set<string>() }
    const counts = new Map<string, number>()
    const countSlice = (slice: string): number => {
      const key = createHash("sha256").update(slice).digest("base64")
      const count = counts.get(key) ?? countTokens(slice, options)
      // The last one in is the last one to go.
      counts.delete(key)
      counts.set(key, count)
      if (counts.size > countsKept) counts.delete(counts.keys().next().value!)
      return count
    }
    return (text, enough = Infinity) => {
      let sum = 0
      for (let start = 0; start < text.length && sum <= enough; ) {
        const end = sliceEnd(text, start)
        sum += countSlice(text.slice(start, end))
        start = end
      }
      return sum
    }
  })
  return counter
}

function sliceEnd(text: string, start: number): number {
  const end = Math.min(start + sliceLength, text.length)
  return end < text.length && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
