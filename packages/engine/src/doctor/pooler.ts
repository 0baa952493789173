import { randomUUID } from "node:crypto"
import type { Database, Statement } from "../db/database.ts"

const mark: Statement = { name: "grizz_doctor_mark", text: "select set_config('grizz.doctor', $1, false)" }
const readMark: Statement = { name: "grizz_doctor_read", text: "select current_setting('grizz.doctor', true) as mark" }

/**
 * Whether a connection keeps its server process from one statement to the next. A transaction pooler does not: it gives
 * the process that served the first connection last to the second one, and the first one gets another.
 */
export async function keepsSession(database: Database): Promise<boolean> {
  const sign = randomUUID()
  return database.session((one) =>
    database.session(async (other) => {
      await one.query(mark, [sign])
      await other.script("begin")
      const [row] = await one.query<{ mark: string | null }>(readMark).catch(notPrepared)
      await other.script("rollback")
      return row?.mark === sign
    }),
  )
}

/** A statement that was prepared elsewhere, or not at all: what transaction pooling does to names. */
function notPrepared(error: unknown): { mark: null }[] {
  if (error instanceof Error && "code" in error && (error.code === "26000" || error.code === "42P05"))
    return [{ mark: null }]
  throw error
}
