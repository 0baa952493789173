import { invalid } from "./model-failure.ts"

const LF = 10
const COLON = 58

export interface SseSink {
  /**
   * The data of one event: `text` from `start` to `end`. Bounds instead of a string, so that the way of every token
   * needs none of its own. `event` is the event's name, empty in the usual case.
   */
  onData(text: string, start: number, end: number, event: string): void
}

/**
 * Cuts a stream of bytes into server-sent events (HTML standard, section 9.2.6), wherever the reads split it.
 * @throws ModelFailure `model_invalid` from `push` and `end` when a line or an event is longer than `lineMaxLength`
 */
export class SseReader {
  readonly #sink: SseSink
  readonly #lineMaxLength: number
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  /** Whether the decoder may hold the beginning of a character. */
  #decoderHolds = false
  #atStart = true
  /** Whether the last character was a CR, whose LF may be the next one. */
  #afterCr = false
  /** The line that has begun and not ended. */
  #rest = ""
  /** Data lines of the event that has begun and not ended. */
  #data: string | null = null
  #event = ""
  /** Whether a line was seen that no event stream has: the sign of a page or a JSON document. */
  foreign = false

  /** `lineMaxLength` in UTF-16 units. */
  constructor(sink: SseSink, lineMaxLength: number) {
    this.#sink = sink
    this.#lineMaxLength = lineMaxLength
  }

  push(chunk: Buffer): void {
    this.#read(this.#decode(chunk))
  }

  /** The stream is over: an event that lacks only its empty line still counts, as some servers end without one. */
  end(): void {
    this.#read(this.#decoder.decode())
    if (this.#rest !== "") this.#read("\n")
    this.#read("\n")
  }

  #decode(chunk: Buffer): string {
    // A read that begins and ends between characters (they nearly all do) needs no streaming decoder, which is slower.
    const endsInAscii = chunk.length > 0 && chunk[chunk.length - 1]! < 0x80
    const whole = endsInAscii && !this.#decoderHolds
    this.#decoderHolds = !endsInAscii
    if (!whole) return this.#decoder.decode(chunk, { stream: true })
    return chunk.toString()
  }

  #read(decoded: string): void {
    if (decoded === "") return
    const text = this.#withLineFeeds(decoded)
    let from = 0
    if (this.#rest !== "") {
      const lineEnd = text.indexOf("\n")
      this.#rest += lineEnd === -1 ? text : text.slice(0, lineEnd)
      this.#checkLength(this.#rest.length)
      if (lineEnd === -1) return
      const line = this.#rest
      this.#rest = ""
      this.#line(line)
      from = lineEnd + 1
    }
    from = this.#wholeLines(text, from)
    this.#rest = text.slice(from)
    this.#checkLength(this.#rest.length)
  }

  /** Reads the lines that end in `text`; returns where the unfinished one begins. */
  #wholeLines(text: string, start: number): number {
    let from = start
    for (let end = text.indexOf("\n", from); end !== -1; end = text.indexOf("\n", from)) {
      this.#checkLength(end - from)
      // `data: …` and an empty line, in one read: the usual event, given on without a copy.
      const isWholeEvent = this.#data === null && this.#event === "" && text.charCodeAt(end + 1) === LF
      if (isWholeEvent && text.startsWith("data:", from)) {
        const dataStart = text.startsWith(" ", from + 5) ? from + 6 : from + 5
        if (end > dataStart) this.#sink.onData(text, dataStart, end, "")
        from = end + 2
      } else {
        // A comment says nothing, however many there are.
        if (text.charCodeAt(from) !== COLON) this.#line(text.slice(from, end))
        from = end + 1
      }
    }
    return from
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch()
    const colon = line.indexOf(":")
    if (colon === 0) return
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(line.startsWith(" ", colon + 1) ? colon + 2 : colon + 1)
    if (field === "data") {
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`
      this.#checkLength(this.#data.length)
    } else if (field === "event") this.#event = value
    else if (field !== "id" && field !== "retry") this.foreign = true
  }

  #dispatch(): void {
    const data = this.#data
    const event = this.#event
    this.#data = null
    this.#event = ""
    if (data !== null && data !== "") this.#sink.onData(data, 0, data.length, event)
  }

  /** Makes CR and CRLF, which the standard allows and few servers send, LF; drops a byte order mark at the start. */
  #withLineFeeds(decoded: string): string {
    let text = decoded
    if (this.#atStart) {
      this.#atStart = false
      if (text.startsWith("\uFEFF")) text = text.slice(1)
    }
    if (this.#afterCr && text.startsWith("\n")) text = text.slice(1)
    this.#afterCr = decoded.endsWith("\r")
    return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text
  }

  #checkLength(length: number): void {
    if (length > this.#lineMaxLength) throw invalid(`a line of its stream exceeds ${this.#lineMaxLength} characters`)
  }
}
