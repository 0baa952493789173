import type { ErrorCode, ReplyErrorCode } from "@grizz/protocol/constants"

/** The one error of the engine. Adapters translate foreign errors into it at their border. */
export class ChatError extends Error {
  readonly code: ErrorCode
  /** How long the caller should wait before another try, in ms, where the refusing side said so. */
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.name = "ChatError"
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

/** A reply's failure: what the model, or the way to it, did. */
export class ReplyFailure extends ChatError {
  declare readonly code: ReplyErrorCode

  constructor(code: ReplyErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(code, message, options)
    this.name = "ReplyFailure"
  }
}
