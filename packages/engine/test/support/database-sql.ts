import { createHash } from "node:crypto"
import type { Parameter, Session } from "../../src/db/database.ts"

/** A test's own statement, under a name made from its text. */
export function sql<Row extends object>(
  database: Pick<Session, "query">,
  text: string,
  parameters: Parameter[] = [],
): Promise<Row[]> {
  const name = `test_${createHash("sha1").update(text).digest("hex")}`
  return database.query<Row>({ name, text }, parameters)
}
