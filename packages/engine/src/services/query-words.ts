/**
 * A query's words, each once, and in every case that it may be written in: what a capital letter beyond ASCII becomes in small is
 * for the database's locale, and under `C` it stays what it is.
 */
export function queryWords(query: string): string[][] {
  const words = new Set(query.split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word)))
  return [...words].map((word) => [...new Set([word, word.toLowerCase(), capitalized(word), word.toUpperCase()])])
}

function capitalized(word: string): string {
  const [first = "", ...rest] = word
  return first.toUpperCase() + rest.join("").toLowerCase()
}
