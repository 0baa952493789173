import { type RequestErrorCode, requestErrorCodes } from "@grizz/protocol/constants"
import type { GrizzErrorCode } from "./grizz-error.ts"

/** False for `network`, and for what only a reply fails with. */
export function isRequestCode(code: GrizzErrorCode): code is RequestErrorCode {
  return requestErrorCodes.some((one) => one === code)
}
