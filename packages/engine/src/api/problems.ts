import { type Problem, type RequestErrorCode, requestErrorCodes } from "@grizz/protocol"
import * as z from "zod"
import { ChatError } from "../core/errors.ts"

const statuses = {
  invalid_request: { status: 400, title: "Invalid request" },
  unauthenticated: { status: 401, title: "Not signed in" },
  not_found: { status: 404, title: "Not found" },
  conflict: { status: 409, title: "Conflict" },
  reply_in_progress: { status: 409, title: "A reply is in progress" },
  too_large: { status: 413, title: "Too large" },
  rate_limited: { status: 429, title: "Too many requests" },
  unavailable: { status: 503, title: "Unavailable" },
  internal: { status: 500, title: "Internal error" },
} as const satisfies Record<RequestErrorCode, { status: number; title: string }>

/** What a caller may know of an error: an unexpected one says nothing of the inside. */
export function publicError(error: unknown): { code: RequestErrorCode; message: string } {
  if (error instanceof z.ZodError) return { code: "invalid_request", message: describeIssues(error.issues) }
  if (error instanceof ChatError) {
    const code = requestErrorCodes.find((known) => known === error.code)
    if (code !== undefined) return { code, message: error.message }
  }
  return { code: "internal", message: "Something went wrong on our side." }
}

export function problemOf(error: unknown): Problem {
  const { code, message } = publicError(error)
  const { status, title } = statuses[code]
  return { type: "about:blank", title, status, detail: message, code }
}

/** Names each field that is wrong, and what is wrong with it. */
export function describeIssues(issues: readonly { path: readonly PropertyKey[]; message: string }[]): string {
  const described = issues.slice(0, 5).map(({ path, message }) => {
    const field = path.map(String).join(".")
    return field === "" ? message : `${field}: ${message}`
  })
  return `${described.join("; ")}.`
}
