import { Client } from "pg"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

describe.skipIf(missingServer !== null)(
  `changes of one user's memories at once${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    let server: { url: string; drop: () => Promise<void> }
    let database: PostgresDatabase
    let stores: Stores
    /** Connections without the engine's limits: what does not wait for another one for ever gets its turn. */
    const clients: Client[] = []
    beforeAll(async () => {
      server = await createServerDatabase()
      database = openServerDatabase(server.url)
      await migrate(database)
      stores = createStores(database, newId)
      for (let count = 0; count < 3; count++) {
        const client = new Client(server.url)
        await client.connect()
        clients.push(client)
      }
    })
    afterAll(async () => {
      await Promise.all(clients.map((client) => client.end()))
      await database.close()
      await server.drop()
    })

    let conversation: TestConversation
    let messageIds: string[]
    beforeEach(async () => {
      conversation = await TestConversation.create(stores)
      const { message, reply } = await conversation.say("a question", "an answer")
      messageIds = [message!.id, reply.id]
    })

    async function fact(sources = messageIds): Promise<string> {
      const id = newId()
      const insert = "insert into grizz.memories (id, user_id, kind, text) values ($1::uuid, $2::uuid, 'fact', $3)"
      await sql(database, insert, [id, conversation.userId, id])
      const link = `insert into grizz.memory_sources (memory_id, message_id) select $1::uuid, unnest($2::text[])::uuid`
      await sql(database, link, [id, sources])
      return id
    }

    /** Saves, from another conversation, what corrects these facts in this order. */
    async function saving(superseded: string[]): Promise<[string, unknown[]]> {
      const elsewhere = await TestConversation.create(stores, conversation.userId)
      const { message } = await elsewhere.say("another question", "an answer")
      const claim = newId()
      const job = "insert into grizz.derivations (conversation_id, kind, claim) values ($1::uuid, 'facts', $2::uuid)"
      await sql(database, job, [elsewhere.id, claim])
      const memories = superseded.map((supersedes) => {
        const id = newId()
        return { id, text: id, sources: [message!.id], supersedes }
      })
      const parameters = [claim, elsewhere.id, JSON.stringify(memories)]
      return ["select grizz.save_derived($1, $2, 'fact', $3, 'test')", parameters]
    }
    const erasing = (id: string): [string, unknown[]] => [
      "select grizz.erase_message($1, $2, $3)",
      [conversation.userId, conversation.id, id],
    ]
    const deleting = (): [string, unknown[]] => [
      "select grizz.delete_conversation($1, $2)",
      [conversation.userId, conversation.id],
    ]
    const correcting = (id: string): [string, unknown[]] => [
      "select grizz.correct_memory($1, $2, $3, 'another text', null)",
      [conversation.userId, id, newId()],
    ]
    const waiting = async () => {
      const text = `select count(*)::int as count from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`
      return (await sql<{ count: number }>(database, text))[0]!.count
    }

    /** Both begin while a row is held that they meet half-way; then it is let go. Rejects where one was sacrificed. */
    async function meet(held: string, id: string, works: [string, unknown[]][]): Promise<void> {
      const [holder, ...others] = clients
      await holder!.query("begin")
      await holder!.query(`select from ${held} where id = $1 for update`, [id])
      const done: Promise<unknown>[] = []
      try {
        for (const [index, [text, parameters]] of works.entries()) {
          done.push(others[index]!.query(text, parameters))
          await expect.poll(waiting, { timeout: 20_000 }).toBe(index + 1)
        }
      } finally {
        await holder!.query("rollback")
      }
      await Promise.all(done)
    }

    test("two saves that correct the same facts in opposite orders", async () => {
      const [one, middle, two] = [await fact(), await fact(), await fact()]
      await meet("grizz.memories", middle, [await saving([one, middle, two]), await saving([two, middle, one])])
      const left = await stores.memories.list(conversation.userId, { limit: 50, superseded: false })
      expect(left).toHaveLength(6)
    })

    test.each([
      ["the erasure of a message", () => erasing(messageIds[0]!)],
      ["the deletion of a conversation", deleting],
    ])("a save that corrects what %s takes along", async (_, taking) => {
      const [one, middle, two] = [await fact(), await fact(), await fact()]
      await meet("grizz.memories", middle, [taking(), await saving([two, middle, one])])
      const left = await stores.memories.list(conversation.userId, { limit: 50, superseded: true })
      expect(left.map(({ id }) => id)).not.toContain(one)
      expect(left).toHaveLength(3)
    })

    test("a user's correction of what the erasure of its second source takes along", async () => {
      const corrected = await fact()
      await meet("public.messages", messageIds[0]!, [correcting(corrected), erasing(messageIds[1]!)])
      expect(await stores.memories.list(conversation.userId, { limit: 50, superseded: true })).toEqual([])
    })
  },
)
