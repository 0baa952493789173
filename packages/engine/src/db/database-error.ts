import { ChatError } from "../core/errors.ts"

/** What PostgreSQL says when it cannot serve just now, by SQLSTATE or its class (two characters). */
const passingStates: Record<string, string> = {
  "08": "The connection to the database was lost.",
  "53": "The database is out of resources.",
  "53100": "The database's disk is full.",
  "53300": "The database has no connection to spare.",
  "57P": "The database is shutting down or starting.",
  "57014": "The database took too long to answer.",
  "55P03": "The database row is locked by someone else.",
  "25006": "The database is read-only at the moment.",
  "25P03": "The connection to the database was lost.",
  "40001": "The database was too busy with the same rows.",
  "40P01": "The database was too busy with the same rows.",
  "58030": "The database cannot read or write its disk.",
}

/** How Node and the driver say that there is no connection. */
const connectionErrors = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOENT",
])

const driverMessages: [RegExp, string][] = [
  [/timeout exceeded when trying to connect/, "The database has no connection to spare."],
  [/max ?clients/i, "The database has no connection to spare."],
  [/^Query read timeout/, "The database took too long to answer."],
  [
    /^Connection terminated|is not queryable|Cannot use a pool after|Client was closed/,
    "The connection to the database was lost.",
  ],
]

/** A ChatError `unavailable` for what passes by itself; any other error as it is. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof ChatError) return error
  const sentence = passingReason(error)
  return sentence === undefined ? error : new ChatError("unavailable", sentence, { cause: error })
}

/** Whatever stops a connection from being made (also a refused password) is for the caller an absent database. */
export function translateConnectError(error: unknown): ChatError {
  const translated = translateDatabaseError(error)
  if (translated instanceof ChatError) return translated
  return new ChatError("unavailable", "The database refuses the connection.", { cause: error })
}

function passingReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  if (connectionErrors.has(code)) return passingStates["08"]
  if (/^[0-9A-Z]{5}$/.test(code)) {
    const known = passingStates[code] ?? passingStates[code.slice(0, 3)] ?? passingStates[code.slice(0, 2)]
    if (known !== undefined) return known
  }
  return driverMessages.find(([pattern]) => pattern.test(error.message))?.[1]
}
