import type { Dispatcher } from "undici"
import type { Clock } from "../core/clock.ts"
import type { ModelRequest, ModelResult } from "../ports.ts"
import { AnswerReader } from "./answer-reader.ts"
import { invalid, ModelFailure } from "./model-failure.ts"
import { connectTimeout, failureOfNetwork } from "./network-failure.ts"
import { ResponseDocument } from "./response-document.ts"
import { Watchdog } from "./watchdog.ts"

/** Limits of one call, in ms. */
export interface ModelTimeouts {
  /** Until a connection stands: a free one of the pool, or a new one. */
  connectMs: number
  /** From then until the first text. */
  firstTokenMs: number
  /** Between one text and the next. */
  idleMs: number
  /** The whole call. */
  totalMs: number
}

export interface CompletionCallOptions {
  /** The model that is asked for. */
  model: string
  timeouts: ModelTimeouts
  /** In bytes of UTF-8. */
  maxReplyBytes: number
  clock: Clock
}

/** How long, after the answer, its usage and the end of its stream are waited for. */
const afterwordMs = 1000
/** How long the body of an error, which only says more than its status, is waited for. */
const documentMs = 1000

type Phase = "connect" | "firstToken" | "idle" | "document" | "afterword"
type ResponseHeaders = Record<string, string | string[] | undefined>

/** How a call ended. */
export type CompletionOutcome = { ok: true; result: ModelResult } | { ok: false; error: unknown }

/** One streamed completion: what undici hears of it, from its request to the end of its response. */
export class CompletionCall implements Dispatcher.DispatchHandler {
  readonly #request: ModelRequest
  readonly #options: CompletionCallOptions
  readonly #settle: (outcome: CompletionOutcome) => void
  readonly #answer: AnswerReader
  readonly #watchdog: Watchdog
  readonly #onAbort = () => this.#fail(this.#request.signal.reason)
  #controller: Dispatcher.DispatchController | null = null
  /** The body of what is no event stream. */
  #document: ResponseDocument | null = null
  #phase: Phase = "connect"
  #replyBytes = 0
  #settled = false
  #responseOver = false

  constructor(request: ModelRequest, options: CompletionCallOptions, settle: (outcome: CompletionOutcome) => void) {
    this.#request = request
    this.#options = options
    this.#settle = settle
    this.#answer = new AnswerReader(options.model)
    const { totalMs, connectMs } = options.timeouts
    this.#watchdog = new Watchdog(totalMs, connectMs, (limit) => this.#expired(limit))
    request.signal.addEventListener("abort", this.#onAbort)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // The call may have ended while it waited for a connection: then nothing is sent.
    if (this.#settled) this.#hangUp()
    else this.#enter("firstToken", this.#options.timeouts.firstTokenMs)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200 || (status === 200 && isEventStream(headers))) return
    this.#document = new ResponseDocument(status, headers, this.#options.clock.now())
    this.#enter("document", documentMs)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#settled) return
    if (this.#document === null) this.#read(() => this.#answer.push(chunk))
    else if (!this.#document.add(chunk)) this.#fail(this.#document.failure())
  }

  onResponseEnd(): void {
    this.#responseOver = true
    this.#watchdog.stop()
    if (this.#settled) return
    if (this.#document === null) this.#read(() => this.#answer.end())
    else this.#fail(this.#document.failure())
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#responseOver = true
    this.#watchdog.stop()
    // A whole answer stays one, whatever becomes of its connection afterwards.
    if (this.#answer.isWhole) this.#finish()
    else this.#fail(this.#document?.failure() ?? failureOfNetwork(error))
  }

  #read(step: () => void): void {
    let failure: { error: unknown } | null = null
    try {
      step()
    } catch (error) {
      failure = { error }
    }
    // What came before the failure, in the same read, is the user's all the same.
    this.#give(this.#answer.take())
    if (this.#settled) return
    if (failure !== null) this.#fail(failure.error)
    else if (this.#answer.isDone) this.#finish()
    else if (this.#answer.isWhole && this.#phase !== "afterword") this.#enter("afterword", afterwordMs)
  }

  #give(text: string): void {
    if (text === "") return
    this.#replyBytes += Buffer.byteLength(text)
    if (this.#replyBytes > this.#options.maxReplyBytes) {
      return this.#fail(invalid(`it is longer than ${this.#options.maxReplyBytes} bytes`))
    }
    if (this.#phase === "firstToken") this.#enter("idle", this.#options.timeouts.idleMs)
    else if (this.#phase === "idle") this.#watchdog.renew()
    try {
      this.#request.onText(text)
    } catch (error) {
      this.#fail(error)
    }
  }

  #enter(phase: Phase, limitMs: number): void {
    this.#phase = phase
    this.#watchdog.restart(limitMs)
  }

  #expired(limit: "phase" | "total"): void {
    if (this.#settled) this.#hangUp()
    else if (this.#answer.isWhole) {
      this.#finish()
      this.#hangUp()
    } else if (this.#document !== null) this.#fail(this.#document.failure())
    else this.#fail(limit === "total" ? timeout("The model's answer took too long") : timeoutOf(this.#phase))
  }

  /** The answer is whole. The rest of the response is read, within the limit, so that its connection can be used again. */
  #finish(): void {
    if (this.#settled) return
    try {
      const result = this.#answer.result()
      this.#give(this.#answer.takeLast())
      if (this.#phase !== "afterword" && !this.#responseOver) this.#enter("afterword", afterwordMs)
      this.#end({ ok: true, result })
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#settled) return
    this.#watchdog.stop()
    this.#end({ ok: false, error })
    this.#hangUp()
  }

  #end(outcome: CompletionOutcome): void {
    if (this.#settled) return
    this.#settled = true
    this.#request.signal.removeEventListener("abort", this.#onAbort)
    this.#settle(outcome)
  }

  #hangUp(): void {
    this.#controller?.abort(new Error("The call is over"))
  }
}

function timeoutOf(phase: Phase): ModelFailure {
  if (phase === "connect") return connectTimeout()
  return timeout(phase === "firstToken" ? "The model did not begin to answer in time" : "The model stopped answering")
}

function timeout(message: string): ModelFailure {
  return new ModelFailure("model_timeout", message)
}

function isEventStream(headers: ResponseHeaders): boolean {
  const type = String(headers["content-type"] ?? "").toLowerCase()
  // None was asked for; there is no decoder here.
  if ((headers["content-encoding"] ?? "identity") !== "identity") return false
  // Some servers do not name the type, or call it plain text: what the body then is, its lines show.
  return type === "" || type.startsWith("text/event-stream") || type.startsWith("text/plain")
}
