import { randomUUID } from "node:crypto"
import { cp, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { migrate } from "../../src/db/migrate.ts"
import { endReply } from "../../src/db/reply-statements.ts"
import { createStores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

const migrations = new URL("../../migrations/", import.meta.url)
const devices = 12

/** The migrations before one of them, as the release before it has them. */
async function migrateUpTo(database: Database, next: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "grizz-migrations-"))
  try {
    await cp(migrations, folder, { recursive: true, filter: (path) => !path.endsWith(".sql") || basename(path) < next })
    await migrate(database, pathToFileURL(`${folder}/`))
    await sql(database, "select grizz.apply_access()")
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Calls what was there before 0015 as the release before it does: without what a reply was made with. */
function asBefore0015(database: Database): Database {
  return {
    query: (statement, parameters = []) =>
      statement.name === endReply.name
        ? database.query(
            { ...endReply, text: endReply.text.replace(", $13::text::jsonb", "") },
            parameters.slice(0, 12),
          )
        : database.query(statement, parameters),
    session: (work) => database.session(work),
    ping: () => database.ping(),
    close: () => database.close(),
  }
}

/** Repeats it until told to stop; resolves to how often it was done. */
async function repeat(signal: AbortSignal, work: () => Promise<unknown>): Promise<number> {
  let count = 0
  for (; !signal.aborted; count++) await work()
  return count
}

describe.skipIf(missingServer !== null)(
  `migrating under load on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    test("turns of the previous release and inserts of the older engine go on while 0008 is applied", async () => {
      const server = await createServerDatabase()
      const previous = openServerDatabase(server.url)
      const next = openServerDatabase(server.url, { poolSize: 1, maxOverflow: 0 })
      try {
        await migrateUpTo(previous, "0008")
        const stores = createStores(asBefore0015(previous), newId)
        const stop = new AbortController()
        const work: Promise<number>[] = []
        const isUnderWay = Promise.withResolvers<void>()
        for (let device = 0; device < devices; device++) {
          const conversation = await TestConversation.create(stores)
          work.push(repeat(stop.signal, () => conversation.say("question", "answer").then(() => isUnderWay.resolve())))
        }
        const older = await TestConversation.create(stores)
        const insert = "insert into public.messages (id, conversation_id, role, content) values ($1, $2, 'user', 'old')"
        work.push(repeat(stop.signal, () => sql(previous, insert, [randomUUID(), older.id])))
        await isUnderWay.promise
        const done = Promise.all(work)
        const applied = await Promise.race([migrate(next), done])
        stop.abort()
        expect(applied).toContain("0008-cheaper-turns.sql")
        for (const count of await done) expect(count).toBeGreaterThan(0)
      } finally {
        await Promise.all([previous.close(), next.close()])
        await server.drop()
      }
    }, 60_000)
  },
)
