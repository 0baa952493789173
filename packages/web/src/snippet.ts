import type { SearchHit } from "@grizz/client"

/** A part of a text, which is one of the words that were looked for, or stands between them. */
export interface SnippetPart {
  text: string
  isMatch: boolean
}

/** How much of a text is shown before its first match, and altogether, in UTF-16 units; a word is not cut. */
const leadLength = 60
const maxLength = 220

/** The part of a message that has the first of its matches, with all that are in it. */
export function snippetOf({ message: { content, role }, highlights }: SearchHit): SnippetPart[] {
  const first = highlights[0]?.start ?? 0
  const start = first <= leadLength ? 0 : wordStart(content, first - leadLength, first)
  const end = content.length - start <= maxLength ? content.length : wordEnd(content, start + maxLength)
  const parts: SnippetPart[] = []
  const add = (from: number, to: number, isMatch: boolean) => {
    const text = content.slice(from, to)
    if (text !== "") parts.push({ text: isMatch ? text : plain(text, role), isMatch })
  }
  if (start > 0) parts.push({ text: "…", isMatch: false })
  let at = start
  for (const highlight of highlights.filter((one) => one.end <= end)) {
    add(at, highlight.start, false)
    add(highlight.start, highlight.end, true)
    at = highlight.end
  }
  add(at, Math.max(at, end), false)
  if (end < content.length) parts.push({ text: "…", isMatch: false })
  return parts
}

/** One line, and of an answer without the signs of its markdown. */
function plain(text: string, role: "user" | "assistant"): string {
  const words = role === "user" ? text : text.replace(/[*_`~#|>]+/g, "")
  return words.replace(/\s+/g, " ")
}

/** The beginning of the next word, or `before` where there is none. */
function wordStart(text: string, from: number, before: number): number {
  const space = text.slice(from, before).search(/\s/)
  return space === -1 ? whole(text, from) : from + space + 1
}

function wordEnd(text: string, to: number): number {
  const space = text.slice(to - leadLength, to).search(/\s\S*$/)
  return space === -1 ? whole(text, to) : to - leadLength + space
}

/** Not between the halves of a surrogate pair. */
function whole(text: string, at: number): number {
  return /[\udc00-\udfff]/.test(text.charAt(at)) ? at - 1 : at
}
