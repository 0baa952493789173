const QUOTE = 34
const BACKSLASH = 92
const SPACE = 32

const contentKey = '"content":"'
const obfuscationKey = '"obfuscation":"'
/** How often a frame is learned that then fits nothing, before learning stops: the provider varies its chunks. */
const uselessFramesMax = 4

/**
 * Cuts the text out of a chunk that differs from an earlier one in nothing but its text, without parsing it.
 *
 * Chunks of one answer repeat everything around the text. Once one was parsed, what stands before and after its text is
 * known; a later chunk of the same frame with plain characters in between (no escape, so no quote) is the same JSON with
 * other text. Exact, therefore, whatever the provider's order of fields; every other chunk is left to the parser.
 */
export class DeltaCutter {
  readonly #textOf: (data: string) => string
  /** Empty: nothing is learned yet. */
  #before = ""
  #after = ""
  /** What follows a second string that varies (padding that OpenAI adds against traffic analysis); null without one. */
  #afterPadding: string | null = null
  #uselessFrames = 0
  #hitsOfFrame = 0

  /** `textOf` reads a chunk's text the exact way; a frame is kept only when it agrees. */
  constructor(textOf: (data: string) => string) {
    this.#textOf = textOf
  }

  /** Learns the frame of a chunk that was parsed and whose only news is its text, `text`. */
  learn(data: string, text: string): void {
    const textStart = data.indexOf(contentKey) + contentKey.length
    const isPlain = text !== "" && plainEnd(data, textStart, data.length) === textStart + text.length
    if (!isPlain || !data.startsWith(text, textStart)) return
    this.#uselessFrames = this.#hitsOfFrame === 0 ? this.#uselessFrames + 1 : 0
    if (this.#uselessFrames > uselessFramesMax) return
    this.#hitsOfFrame = 0
    const before = data.slice(0, textStart)
    const after = data.slice(textStart + text.length)
    // The same key may stand elsewhere, too: other text in this place must come out as the chunk's text.
    if (this.#textOf(`${before}${text}+${after}`) !== `${text}+`) return
    this.#before = before
    this.#setAfter(after)
  }

  /** The text of the chunk at `start` to `end` of `source`; null when the parser has to say. */
  cut(source: string, start: number, end: number): string | null {
    if (this.#before === "" || !isAt(source, this.#before, start)) return null
    const textStart = start + this.#before.length
    const textEnd = plainEnd(source, textStart, end)
    if (textEnd === -1 || !this.#endsAsLearned(source, textEnd, end)) return null
    this.#hitsOfFrame++
    return source.slice(textStart, textEnd)
  }

  #endsAsLearned(source: string, textEnd: number, end: number): boolean {
    if (!isAt(source, this.#after, textEnd)) return false
    const afterEnd = textEnd + this.#after.length
    if (this.#afterPadding === null) return afterEnd === end
    const paddingEnd = plainEnd(source, afterEnd, end)
    return (
      paddingEnd !== -1 &&
      isAt(source, this.#afterPadding, paddingEnd) &&
      paddingEnd + this.#afterPadding.length === end
    )
  }

  #setAfter(after: string): void {
    this.#after = after
    this.#afterPadding = null
    const padding = after.indexOf(obfuscationKey)
    if (padding === -1) return
    const paddingStart = padding + obfuscationKey.length
    const paddingEnd = plainEnd(after, paddingStart, after.length)
    if (paddingEnd === -1) return
    this.#after = after.slice(0, paddingStart)
    this.#afterPadding = after.slice(paddingEnd)
  }
}

/** `startsWith`, which V8 runs character by character; comparing a slice is three times as fast at this length. */
function isAt(source: string, part: string, at: number): boolean {
  return source.slice(at, at + part.length) === part
}

/** Where the JSON string that begins at `start` has its closing quote; -1 when it has an escape or no end. */
function plainEnd(source: string, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const unit = source.charCodeAt(at)
    if (unit === QUOTE) return at
    if (unit === BACKSLASH || unit < SPACE) return -1
  }
  return -1
}
