import type { FoundQuote, Quote } from "../memory-ports.ts"

/**
 * What was found by words and what was found by meaning in one list, best first. Both scores add up: being near by meaning
 * counts as much as the best of the words at most, so that a model without sense moves little.
 */
export function fuseQuotes(byWords: readonly FoundQuote[], byMeaning: readonly FoundQuote[]): Quote[] {
  const most = Math.max(...byWords.map(({ score }) => score), Number.MIN_VALUE)
  const fused = new Map(byWords.map((quote) => [quote.id, { ...quote, score: quote.score / most }]))
  for (const quote of byMeaning) {
    const score = quote.score + (fused.get(quote.id)?.score ?? 0)
    fused.set(quote.id, { ...quote, score })
  }
  return [...fused.values()].sort((a, b) => b.score - a.score)
}
