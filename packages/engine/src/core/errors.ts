import type { ErrorCode, ReplyErrorCode } from "@grizz/protocol/constants"

export interface ChatErrorOptions {
  cause?: unknown
  retryAfterMs?: number
  isOutcomeUnknown?: boolean
}

/** The one error of the engine. Adapters translate foreign errors into it at their border. */
export class ChatError extends Error {
  readonly code: ErrorCode
  /** How long the caller should wait before another try, in ms, where the refusing side said so. */
  readonly retryAfterMs: number | undefined
  /** What was asked for may have been done: its answer was lost. */
  readonly isOutcomeUnknown: boolean

  constructor(code: ErrorCode, message: string, options: ChatErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.name = "ChatError"
    this.code = code
    this.retryAfterMs = options.retryAfterMs
    this.isOutcomeUnknown = options.isOutcomeUnknown ?? false
  }
}

/** A reply's failure: what the model, or the way to it, did. */
export class ReplyFailure extends ChatError {
  declare readonly code: ReplyErrorCode

  constructor(code: ReplyErrorCode, message: string, options: ChatErrorOptions = {}) {
    super(code, message, options)
    this.name = "ReplyFailure"
  }
}
