import type { Dispatcher } from "undici"
import type { Clock } from "../core/clock.ts"
import type { ModelRequest, ModelResult } from "../ports.ts"
import { AnswerReader } from "./answer-reader.ts"
import type { ModelConnection, ReadListener, SharedReads } from "./model-connection.ts"
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
  /** Of the connections that the call may get. */
  reads: SharedReads
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
export class CompletionCall implements Dispatcher.DispatchHandler, ReadListener {
  readonly #request: ModelRequest
  readonly #options: CompletionCallOptions
  readonly #settle: (outcome: CompletionOutcome) => void
  readonly #answer: AnswerReader
  readonly #watchdog: Watchdog
  readonly #onAbort = () => this.#fail(this.#request.signal.reason)
  #controller: Dispatcher.DispatchController | null = null
  /** The body of what is no event stream. */
  #document: ResponseDocument | null = null
  #connection: ModelConnection | null = null
  /** Counted among the answers that are coming in. */
  #isUnderWay = false
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
    if (status < 200) return
    this.#connection = this.#options.reads.reading
    if (this.#connection !== null) this.#connection.listener = this
    if (status === 200 && isEventStream(headers)) return
    this.#document = new ResponseDocument(status, headers, this.#options.clock.now())
    this.#enter("document", documentMs)
  }

  /** May come several times in one read: the text is given once, when that is over. */
  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#connection !== null) this.#connection.chunks += 1
    if (this.#settled) return
    if (this.#document !== null) {
      if (!this.#document.add(chunk)) this.#fail(this.#document.failure())
      return
    }
    try {
      this.#answer.push(chunk)
    } catch (error) {
      this.#failAfterText(error)
    }
  }

  onReadOver(): boolean {
    if (!this.#settled && this.#document === null) {
      this.#give(this.#answer.take())
      this.#lookForEnd()
    }
    return this.#isUnderWay
  }

  onResponseEnd(): void {
    this.#leaveConnection()
    if (this.#settled) return
    if (this.#document !== null) return this.#fail(this.#document.failure())
    try {
      this.#answer.end()
    } catch (error) {
      return this.#failAfterText(error)
    }
    this.#give(this.#answer.take())
    this.#lookForEnd()
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#leaveConnection()
    // A whole answer stays one, whatever becomes of its connection afterwards.
    if (this.#answer.isWhole) this.#finish()
    else this.#failAfterText(this.#document?.failure() ?? failureOfNetwork(error))
  }

  #leaveConnection(): void {
    this.#responseOver = true
    this.#watchdog.stop()
    if (this.#connection !== null) this.#connection.listener = null
    this.#connection = null
  }

  #lookForEnd(): void {
    if (this.#settled) return
    if (this.#answer.isDone || (this.#answer.isWhole && this.#responseOver)) this.#finish()
    else if (this.#answer.isWhole && this.#phase !== "afterword") this.#enter("afterword", afterwordMs)
  }

  /** What came before the failure, in the same read, is the user's all the same. */
  #failAfterText(error: unknown): void {
    if (!this.#settled) this.#give(this.#answer.take())
    this.#fail(error)
  }

  #give(text: string): void {
    if (text === "") return
    this.#replyBytes += Buffer.byteLength(text)
    if (this.#replyBytes > this.#options.maxReplyBytes) {
      return this.#fail(invalid(`it is longer than ${this.#options.maxReplyBytes} bytes`))
    }
    if (this.#phase === "firstToken") this.#begin()
    else if (this.#phase === "idle") this.#watchdog.renew()
    try {
      this.#request.onText(text)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The first text is there: from now on reads may be held. */
  #begin(): void {
    this.#enter("idle", this.#options.timeouts.idleMs)
    this.#isUnderWay = true
    this.#options.reads.hold.begin()
  }

  #enter(phase: Phase, limitMs: number): void {
    if (phase !== "idle") this.#holdNoMore()
    this.#phase = phase
    // Of a response that is over, what it brought last is being read: there is nothing more to wait for.
    if (!this.#responseOver) this.#watchdog.restart(limitMs)
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
    this.#holdNoMore()
    this.#request.signal.removeEventListener("abort", this.#onAbort)
    this.#settle(outcome)
  }

  #holdNoMore(): void {
    if (!this.#isUnderWay) return
    this.#isUnderWay = false
    this.#options.reads.hold.end()
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
