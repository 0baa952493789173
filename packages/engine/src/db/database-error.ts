import { ChatError } from "../core/errors.ts"

/** `isLost`: the answer was lost, so that the statement may have been committed. */
interface PassingTrouble {
  sentence: string
  isLost: boolean
}

const refusal = (sentence: string): PassingTrouble => ({ sentence, isLost: false })
const loss = (sentence: string): PassingTrouble => ({ sentence, isLost: true })
const connectionLost = loss("The connection to the database was lost.")
const tooBusy = refusal("The database was too busy with the same rows.")

/** What PostgreSQL says when it cannot serve just now, by SQLSTATE or its class (two characters). */
const passingStates: Record<string, PassingTrouble> = {
  "08": connectionLost,
  "53": refusal("The database is out of resources."),
  "53100": refusal("The database's disk is full."),
  "53300": refusal("The database has no connection to spare."),
  "57P": loss("The database is shutting down or starting."),
  "57014": refusal("The database took too long to answer."),
  "55P03": refusal("The database row is locked by someone else."),
  "25006": refusal("The database is read-only at the moment."),
  "25P03": connectionLost,
  "40001": tooBusy,
  "40P01": tooBusy,
  "58030": refusal("The database cannot read or write its disk."),
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

const driverMessages: [RegExp, PassingTrouble][] = [
  [/timeout exceeded when trying to connect/, refusal("The database has no connection to spare.")],
  [/max ?clients/i, refusal("The database has no connection to spare.")],
  [/^Query read timeout/, loss("The database took too long to answer.")],
  [/^Connection terminated|is not queryable|Cannot use a pool after|Client was closed/, connectionLost],
]

/** A ChatError `unavailable` for what passes by itself; any other error as it is. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof ChatError) return error
  const trouble = passingTrouble(error)
  if (trouble === undefined) return error
  return new ChatError("unavailable", trouble.sentence, { cause: error, isOutcomeUnknown: trouble.isLost })
}

/** Whatever stops a connection from being made (also a refused password) is for the caller an absent database. */
export function translateConnectError(error: unknown): ChatError {
  if (error instanceof ChatError) return error
  const sentence = passingTrouble(error)?.sentence ?? "The database refuses the connection."
  return new ChatError("unavailable", sentence, { cause: error })
}

function passingTrouble(error: unknown): PassingTrouble | undefined {
  if (!(error instanceof Error)) return undefined
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  if (connectionErrors.has(code)) return connectionLost
  if (/^[0-9A-Z]{5}$/.test(code)) {
    const known = passingStates[code] ?? passingStates[code.slice(0, 3)] ?? passingStates[code.slice(0, 2)]
    if (known !== undefined) return known
  }
  return driverMessages.find(([pattern]) => pattern.test(error.message))?.[1]
}
