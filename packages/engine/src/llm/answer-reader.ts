import type { ReplyUsage } from "../domain.ts"
import type { ModelResult } from "../ports.ts"
import { failureOfFinish, readChatChunk } from "./chat-chunk.ts"
import { DeltaCutter } from "./delta-cutter.ts"
import { cut, invalid, ModelFailure } from "./model-failure.ts"
import { SseReader, type SseSink } from "./sse-reader.ts"
import { StorableText } from "./storable-text.ts"

/** Longest line and longest event of a stream, in UTF-16 units. */
const lineMaxLength = 1024 * 1024

/** Reads a streamed chat completion out of its bytes, wherever they are split. */
export class AnswerReader implements SseSink {
  readonly #events = new SseReader(this, lineMaxLength)
  readonly #cutter = new DeltaCutter((data) => readChatChunk(data, "").text)
  readonly #text = new StorableText()
  #sawEvent = false
  #sawText = false
  #finishReason: ModelResult["finishReason"] | null = null
  #usage: ReplyUsage | null = null
  #model: string
  #done = false

  /** `model` is the answer's where the provider does not name one. */
  constructor(model: string) {
    this.#model = model
  }

  /** @throws ModelFailure; what was read before it can still be taken */
  push(chunk: Buffer): void {
    if (!this.#done) this.#events.push(chunk)
  }

  /**
   * The stream is over.
   * @throws ModelFailure unless the model had said that it finished
   */
  end(): void {
    if (this.#done) return
    this.#events.end()
    if (this.#finishReason !== null) this.#done = true
    else throw this.#events.foreign && !this.#sawEvent ? invalid("it is no event stream") : cut()
  }

  /** The text since the last call, storable, possibly empty. */
  take(): string {
    return this.#text.take()
  }

  /** The same, where nothing more is to come. */
  takeLast(): string {
    return this.#text.takeAll()
  }

  /** Whether the model said that it finished; its usage may still come. */
  get isWhole(): boolean {
    return this.#finishReason !== null
  }

  /** Whether nothing more is to come. */
  get isDone(): boolean {
    return this.#done
  }

  /**
   * The answer, once it is whole.
   * @throws ModelFailure when it has no text: an empty answer is nothing that a person could read
   */
  result(): ModelResult {
    if (this.#finishReason === null) throw cut()
    if (!this.#sawText) throw invalid("it is empty")
    return { finishReason: this.#finishReason, usage: this.#usage, model: this.#model }
  }

  onData(source: string, start: number, end: number, event: string): void {
    if (this.#done) return
    this.#sawEvent = true
    const text = event === "" ? this.#cutter.cut(source, start, end) : null
    if (text === null) this.#readExactly(source.slice(start, end), event)
    else this.#add(text)
  }

  #readExactly(data: string, event: string): void {
    if (data.trim() === "[DONE]") {
      if (this.#finishReason === null) throw cut()
      this.#done = true
      return
    }
    const chunk = readChatChunk(data, event)
    if (chunk.refusal) throw new ModelFailure("model_refused", "The model declined to answer")
    this.#model = chunk.model ?? this.#model
    this.#usage = chunk.usage ?? this.#usage
    this.#add(chunk.text)
    if (chunk.finishReason === null) this.#cutter.learn(data, chunk.text)
    else this.#heardFinish(chunk.finishReason)
  }

  #heardFinish(finishReason: string): void {
    const failure = failureOfFinish(finishReason)
    if (failure !== null) throw failure
    this.#finishReason = finishReason === "length" ? "length" : "stop"
  }

  #add(text: string): void {
    if (text === "") return
    this.#sawText = true
    this.#text.add(text)
  }
}
