import { describe, expect, test } from "vitest"
import { ChatError } from "../core/errors.ts"
import { translateConnectError, translateDatabaseError } from "./database-error.ts"

const failure = (code: string, message = "as the driver says it") => Object.assign(new Error(message), { code })

describe("an error of the database", () => {
  test.each([
    ["08006", "The connection to the database was lost."],
    ["53100", "The database's disk is full."],
    ["53200", "The database is out of resources."],
    ["53300", "The database has no connection to spare."],
    ["57P01", "The database is shutting down or starting."],
    ["57P03", "The database is shutting down or starting."],
    ["57014", "The database took too long to answer."],
    ["55P03", "The database row is locked by someone else."],
    ["25006", "The database is read-only at the moment."],
    ["40P01", "The database was too busy with the same rows."],
    ["ECONNREFUSED", "The connection to the database was lost."],
    ["EAI_AGAIN", "The connection to the database was lost."],
  ])("%s passes by itself, and is unavailable", (code, sentence) => {
    const cause = failure(code)
    expect(translateDatabaseError(cause)).toMatchObject({ code: "unavailable", message: sentence, cause })
  })

  test.each([
    "Connection terminated unexpectedly",
    "Connection terminated due to connection timeout",
    "timeout exceeded when trying to connect",
    "Query read timeout",
    "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
  ])("without a code, “%s” is unavailable", (message) => {
    expect(translateDatabaseError(new Error(message))).toMatchObject({ code: "unavailable" })
  })

  test.each(["23505", "42P01", "22P02", "42501", "57000", "XX000"])("%s stays what it is: a bug", (code) => {
    const error = failure(code)
    expect(translateDatabaseError(error)).toBe(error)
  })

  test("when connecting, everything is an absent database; what is translated stays as it is", () => {
    expect(translateConnectError(failure("28P01"))).toMatchObject({ message: "The database refuses the connection." })
    const translated = new ChatError("unavailable", "once is enough")
    expect(translateConnectError(translated)).toBe(translated)
  })
})
