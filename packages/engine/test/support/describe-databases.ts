import { afterAll, beforeAll, describe } from "vitest"
import type { Database } from "../../src/db/database.ts"
import { databaseKinds, type OpenDatabase } from "./database-kinds.ts"

/** The same suite on each kind of database; one that this machine lacks is listed as skipped by name. */
export function describeDatabases(name: string, suite: (database: () => Database) => void): void {
  for (const kind of databaseKinds) {
    describe.skipIf(kind.missing !== null)(`${name} on ${kind.name}`, () => {
      let opened: OpenDatabase
      beforeAll(async () => {
        opened = await kind.open()
      })
      afterAll(() => opened.close())
      suite(() => opened.database)
    })
  }
}
