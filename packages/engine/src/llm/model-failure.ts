import type { ReplyErrorCode } from "@grizz/protocol/constants"
import { ReplyFailure } from "../core/errors.ts"

export type ModelErrorCode = Exclude<ReplyErrorCode, "interrupted">

/**
 * What the model, or the way to it, did wrong. The message is a sentence of our own: a provider's words may quote the
 * key or the prompt, so they are never taken over.
 */
export class ModelFailure extends ReplyFailure {
  declare readonly code: ModelErrorCode
  /** True when the same call, made again now, may well succeed. */
  readonly transient: boolean

  constructor(
    code: ModelErrorCode,
    message: string,
    options: { transient?: boolean; retryAfterMs?: number | undefined } = {},
  ) {
    super(code, message, options.retryAfterMs === undefined ? {} : { retryAfterMs: options.retryAfterMs })
    this.name = "ModelFailure"
    this.transient = options.transient ?? false
  }
}

const refused = "The model's provider refused the request"
const unavailable = "The model's provider is not available"

/** Error codes by which providers say more than their status does. */
const codesWithMeaning: Readonly<Record<string, { code: ModelErrorCode; message: string; transient: boolean }>> = {
  content_filter: { code: "model_refused", message: `${refused} because of its content`, transient: false },
  content_policy_violation: { code: "model_refused", message: `${refused} because of its content`, transient: false },
  context_length_exceeded: { code: "model_refused", message: `${refused}: it is too long for it`, transient: false },
  invalid_request_error: { code: "model_refused", message: refused, transient: false },
  insufficient_quota: { code: "model_unavailable", message: `${unavailable}: its quota is used up`, transient: false },
  invalid_api_key: { code: "model_unavailable", message: `${unavailable}: it rejected the API key`, transient: false },
}

/** How a provider's error object names itself, in the fields that providers use for it. */
export interface ProviderError {
  code?: string | number | undefined
  type?: string | undefined
}

/** The failure that an HTTP status other than 200 stands for. */
export function failureOfStatus(status: number, error: ProviderError | null, retryAfterMs?: number): ModelFailure {
  const known = meaningOf(error)
  if (known !== undefined) return new ModelFailure(known.code, `${known.message} (HTTP ${status})`, known)
  if (status === 408 || status === 409 || status === 429 || status >= 500) {
    const message = status === 429 ? `${unavailable}: too many requests` : unavailable
    return new ModelFailure("model_unavailable", `${message} (HTTP ${status})`, { transient: true, retryAfterMs })
  }
  if (status === 401 || status === 403) {
    return new ModelFailure("model_unavailable", `${unavailable}: it rejected the API key (HTTP ${status})`)
  }
  if (status === 404) {
    return new ModelFailure("model_unavailable", `${unavailable}: it knows no such model or address (HTTP 404)`)
  }
  if (status >= 400) return new ModelFailure("model_refused", `${refused} (HTTP ${status})`)
  // A redirect is not followed: it would carry the key and the conversation to another place.
  return new ModelFailure("model_unavailable", `${unavailable}: it answered with HTTP ${status}`)
}

/** The failure that an error object inside a stream of status 200 stands for. */
export function failureOfStreamError(error: ProviderError | null): ModelFailure {
  const known = meaningOf(error)
  if (known !== undefined) return new ModelFailure(known.code, known.message, known)
  const status = Number(error?.code)
  if (Number.isInteger(status) && status >= 400 && status <= 599) return failureOfStatus(status, null)
  return new ModelFailure("model_unavailable", "The model's provider reported an error", { transient: true })
}

function meaningOf(error: ProviderError | null) {
  return [error?.code, error?.type]
    .filter((name) => typeof name === "string" && Object.hasOwn(codesWithMeaning, name))
    .map((name) => codesWithMeaning[String(name)])[0]
}

/** What came is no stream that a whole answer can be read from. */
export function invalid(what: string): ModelFailure {
  return new ModelFailure("model_invalid", `The model's answer cannot be read: ${what}`)
}

/** The stream ended before the model said that it finished. */
export function cut(): ModelFailure {
  return new ModelFailure("model_unavailable", "The model's answer was cut off", { transient: true })
}
