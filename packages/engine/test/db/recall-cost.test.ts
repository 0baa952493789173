import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { createStores } from "../../src/db/stores.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

interface Explained {
  "QUERY PLAN": { Plan: { "Shared Hit Blocks": number; "Shared Read Blocks": number } }[]
}

const messagesEach = 100

describe.skipIf(missingServer !== null)(
  `what a recall reads on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    let server: { url: string; drop: () => Promise<void> }
    /** One connection, which stays open, and so keeps the plans that it made when the tables were small. */
    let database: PostgresDatabase
    beforeAll(async () => {
      server = await createServerDatabase()
      database = openServerDatabase(server.url, { poolSize: 1, maxOverflow: 0, recycleSeconds: 3600 })
      await migrate(database)
    })
    afterAll(async () => {
      await database.close()
      await server.drop()
    })

    const userId = newId()
    /** Each message has one word of its own, and what all have. */
    const grow = async (from: number, to: number) => {
      await sql(
        database,
        `insert into public.conversations (id, user_id, updated_at)
         select md5($1 || n)::uuid, $1::uuid, clock_timestamp()
         from generate_series($2::integer / ${messagesEach}, $3::integer / ${messagesEach} - 1) n`,
        [userId, from, to],
      )
      await sql(
        database,
        `insert into public.messages (id, conversation_id, role, content, position)
         select md5($1 || ' ' || n)::uuid, md5($1 || n / ${messagesEach})::uuid, 'user', 'weather of place' || n, n % ${messagesEach}
         from generate_series($2::integer, $3::integer - 1) n`,
        [userId, from, to],
      )
      const { messageIndex } = createStores(database, newId)
      while (await messageIndex.indexNext());
      // What is gathered for the index and not in it yet is read by each search.
      await sql(database, "select gin_clean_pending_list('grizz.message_terms_terms_idx')")
    }
    const pages = async () => {
      const asked =
        "explain (analyze, buffers, format json) select * from grizz.recall($1::uuid, $2, null, null, now(), 'UTC', 50)"
      let read = 0
      // More often than a plan is made anew for.
      for (let time = 0; time < 8; time++) {
        const [row] = await sql<Explained>(database, asked, [userId, "place3 place99 place200 place301 place402"])
        const plan = row!["QUERY PLAN"][0]!.Plan
        read = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
      }
      return read
    }

    test("is as much where the user has much more, also where the planner takes users for small", async () => {
      await grow(0, 500)
      await sql(database, "alter table grizz.message_terms alter user_id set (n_distinct = 1000)")
      await sql(database, "analyze grizz.message_terms")
      const few = await pages()
      await grow(500, 20_000)
      const grown = await pages()
      await sql(database, "analyze grizz.message_terms")
      const many = await pages()
      // The conversations that its size is taken from are 100 at most, and trees are a level higher.
      expect(few).toBeLessThan(1000)
      expect([grown, many].filter((count) => count > few + 1000)).toEqual([])
    }, 120_000)
  },
)
