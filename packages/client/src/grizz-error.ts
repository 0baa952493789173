import type { ErrorCode, RequestErrorCode } from "@grizz/protocol/constants"
import { hasText, parseJson } from "./has-text.ts"

/** The protocol's codes, and `network`: the engine could not be reached, or did not answer in its own words. */
export type GrizzErrorCode = ErrorCode | "network"

/** The one error of the SDK. */
export class GrizzError extends Error {
  readonly code: GrizzErrorCode
  /** HTTP status or WebSocket close code; null when the engine was not reached or the SDK itself refused. */
  readonly status: number | null

  constructor(code: GrizzErrorCode, message: string, options: { status?: number | null; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.name = "GrizzError"
    this.code = code
    this.status = options.status ?? null
  }
}

const codesByStatus: Record<number, RequestErrorCode> = {
  400: "invalid_request",
  401: "unauthenticated",
  404: "not_found",
  409: "conflict",
  413: "too_large",
  429: "rate_limited",
  503: "unavailable",
}

/** What an HTTP answer that is no success means, whoever wrote it: the engine, or a proxy before it. */
export async function errorOfResponse(response: Response): Promise<GrizzError> {
  const { status } = response
  const problem = parseJson(await response.text().catch(() => ""))
  const code = isRefusal(problem)
    ? problem.code
    : (codesByStatus[status] ?? (status >= 500 ? "unavailable" : "network"))
  const message = hasText(problem, "detail") ? problem.detail : `The engine answered ${status}.`
  return new GrizzError(code, message, { status })
}

function isRefusal(problem: unknown): problem is { code: RequestErrorCode } {
  return hasText(problem, "code")
}

/** Any thrown thing as a GrizzError, for callers that switch on codes. */
export function toGrizzError(error: unknown): GrizzError {
  if (error instanceof GrizzError) return error
  return new GrizzError("network", error instanceof Error ? error.message : String(error), { cause: error })
}
