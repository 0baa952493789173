const HIGH_SURROGATE_FIRST = 0xd800
const HIGH_SURROGATE_LAST = 0xdbff

/** Collects deltas into pieces that PostgreSQL stores and UTF-8 carries unchanged; what cannot be becomes U+FFFD. */
export class StorableText {
  #collected = ""

  add(text: string): void {
    this.#collected += text
  }

  /** What was collected since the last call. A high surrogate at its end waits for its other half. */
  take(): string {
    const text = this.#collected
    const last = text.charCodeAt(text.length - 1)
    const endsInHalf = last >= HIGH_SURROGATE_FIRST && last <= HIGH_SURROGATE_LAST
    this.#collected = endsInHalf ? text.slice(-1) : ""
    return storable(endsInHalf ? text.slice(0, -1) : text)
  }

  /** The last piece: nothing can complete a waiting half any more. */
  takeAll(): string {
    const text = this.#collected
    this.#collected = ""
    return storable(text)
  }
}

function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.includes("\0") ? wellFormed.replaceAll("\0", "\uFFFD") : wellFormed
}
