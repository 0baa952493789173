import type { ErrorCode, RequestErrorCode } from "@grizz/protocol/constants"

/** The protocol's codes, and `network`: the engine could not be reached, or did not answer in its own words. */
export type GrizzErrorCode = ErrorCode | "network"

/** The one error of the SDK. */
export class GrizzError extends Error {
  readonly code: GrizzErrorCode
  /** HTTP status or WebSocket close code; null when the engine was not reached or the SDK itself refused. */
  readonly status: number | null

  constructor(code: GrizzErrorCode, message: string, options: { status?: number; cause?: unknown } = {}) {
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
  const body = await response.json().catch(() => null)
  const problem = isProblem(body) ? body : null
  const code = problem?.code ?? codesByStatus[response.status] ?? (response.status >= 500 ? "unavailable" : "network")
  return new GrizzError(code, problem?.detail ?? `The engine answered ${response.status}.`, { status: response.status })
}

function isProblem(body: unknown): body is { code: RequestErrorCode; detail: string } {
  if (typeof body !== "object" || body === null || !("code" in body) || !("detail" in body)) return false
  return typeof body.code === "string" && typeof body.detail === "string"
}

/** Any thrown thing as a GrizzError, for callers that switch on codes. */
export function toGrizzError(error: unknown): GrizzError {
  if (error instanceof GrizzError) return error
  return new GrizzError("network", error instanceof Error ? error.message : String(error), { cause: error })
}
