import type { RequestErrorCode } from "@grizz/protocol/constants"
import type { GrizzErrorCode } from "./grizz-error.ts"

// Their type is the protocol's, so that none can be missing; the protocol's own list would be in the part that is loaded first.
const requestCodes: Readonly<Record<RequestErrorCode, true>> = {
  invalid_request: true,
  unauthenticated: true,
  not_found: true,
  conflict: true,
  reply_in_progress: true,
  too_large: true,
  rate_limited: true,
  unavailable: true,
  internal: true,
}

/** False for `network`, and for what only a reply fails with. */
export function isRequestCode(code: GrizzErrorCode): code is RequestErrorCode {
  return Object.keys(requestCodes).includes(code)
}
