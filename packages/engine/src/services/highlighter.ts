/** A part of a text: from `start` to before `end`, in UTF-16 units. */
export interface Highlight {
  start: number
  end: number
}

/** Further ones of a text are left out: nobody looks at them, and a page of results stays small. */
const maxHighlights = 200

// Thai, Lao, Burmese, Khmer; Japanese, Chinese, Korean: found by each two neighbours, wherever they are.
const spaceless = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+/gu
const startsAsWord = /^[\p{L}\p{M}\p{N}]/u
const endsAsWord = /[\p{L}\p{M}\p{N}]$/u

/** Finds in a text what a query meant. */
export class Highlighter {
  readonly #words: RegExp | null
  readonly #pairs: ReadonlySet<string>

  /** @param matched the words that were meant, as they are written in the texts */
  constructor(query: string, matched: readonly string[]) {
    const longestFirst = matched.toSorted((a, b) => b.length - a.length)
    this.#words = matched.length === 0 ? null : new RegExp(longestFirst.map(wholeWord).join("|"), "gu")
    this.#pairs = new Set((query.match(spaceless) ?? []).flatMap(pairsOf))
  }

  /** Ascending, none within another or next to it. */
  of(text: string): Highlight[] {
    return merged([...this.#wordsIn(text), ...this.#pairsIn(text)]).slice(0, maxHighlights)
  }

  #wordsIn(text: string): Highlight[] {
    const places: Highlight[] = []
    for (const match of this.#words === null ? [] : text.matchAll(this.#words)) {
      if (places.push(placeOf(match)) === maxHighlights) break
    }
    return places
  }

  #pairsIn(text: string): Highlight[] {
    const places: Highlight[] = []
    for (let start = 0; this.#pairs.size > 0 && start < text.length; start++) {
      const pair = text.slice(start, start + 2)
      for (const part of [pair.charAt(0), pair]) {
        if (this.#pairs.has(part)) places.push({ start, end: start + part.length })
      }
    }
    return places
  }
}

function wholeWord(word: string): string {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
  const before = startsAsWord.test(word) ? "(?<![\\p{L}\\p{M}\\p{N}])" : ""
  const after = endsAsWord.test(word) ? "(?![\\p{L}\\p{M}\\p{N}])" : ""
  return before + escaped + after
}

function pairsOf(run: string): string[] {
  if (run.length === 1) return [run]
  return Array.from({ length: run.length - 1 }, (_, place) => run.slice(place, place + 2))
}

const placeOf = (match: RegExpExecArray): Highlight => ({ start: match.index, end: match.index + match[0].length })

function merged(highlights: Highlight[]): Highlight[] {
  const result: Highlight[] = []
  for (const { start, end } of highlights.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else result.push({ start, end })
  }
  return result
}
