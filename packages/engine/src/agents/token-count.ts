/** How many tokens a text is for the model. */
export type CountTokens = (text: string) => number

/** The tokenizer is quadratic on long unbroken runs; a slice of this many UTF-16 units bounds it, for about 0.5 % too many. */
const sliceLength = 1024

/** What no text exceeds in tokens: each token stands for at least one byte. */
export function tokensAtMost(text: string): number {
  return Buffer.byteLength(text)
}

let counter: Promise<CountTokens> | undefined

/** The exact counter (o200k_base). Its table is loaded on first use: most processes never need it, and it is large. */
export function loadTokenCounter(): Promise<CountTokens> {
  counter ??= import("gpt-tokenizer/encoding/o200k_base").then(({ countTokens }) => {
    // Text that looks like a special token is ordinary text; by default the tokenizer throws at it.
    const options = { disallowedSpecial: new Set<string>() }
    return (text) => slicesOf(text).reduce((sum, slice) => sum + countTokens(slice, options), 0)
  })
  return counter
}

function slicesOf(text: string): string[] {
  const slices: string[] = []
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + sliceLength, text.length)
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end--
    slices.push(text.slice(start, end))
    start = end
  }
  return slices
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
