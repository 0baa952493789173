import { randomUUID } from "node:crypto"
import type { Database, Statement } from "../db/database.ts"

const mark: Statement = { name: "grizz_doctor_mark", text: "select set_config('grizz.doctor', $1, false)" }
const readMark: Statement = { name: "grizz_doctor_read", text: "select current_setting('grizz.doctor', true) as mark" }

/**
 * Whether a connection keeps its server process from one statement to the next. A transaction pooler does not: while
 * a second connection holds the process that served the first one last, the first one is given another.
 */
export async function keepsSession(database: Database): Promise<boolean> {
  const sign = randomUUID()
  return database.session(async (one) => {
    await one.query(mark, [sign])
    return database.session(async (other) => {
      await other.script("begin")
      const [row] = await one.query<{ mark: string | null }>(readMark).catch(notPrepared)
      await other.script("rollback")
      return row?.mark === sign
    })
  })
}

/** A statement that was prepared elsewhere, or not at all: what transaction pooling does to names. */
function notPrepared(error: unknown): { mark: null }[] {
  if (error instanceof Error && "code" in error && (error.code === "26000" || error.code === "42P05"))
    return [{ mark: null }]
  throw error
}
