import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import { newestView } from "../../src/db/conversation-view.ts"
import type { Parameter, Statement } from "../../src/db/database.ts"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { acceptMessage, endReply } from "../../src/db/reply-statements.ts"
import { createStores } from "../../src/db/stores.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

interface Explained {
  "QUERY PLAN": { Plan: { "Shared Hit Blocks": number; "Shared Read Blocks": number } }[]
}

const contextMessages = 10
const conversations = 50
/** Pages of 8 KiB that a turn may look at, whatever the conversation's length; it needs about 130 when nothing is dead. */
const turnPagesMax = 250
/** The same of a snapshot with its 50 messages, each with its reply. */
const viewPagesMax = 600

describe.skipIf(missingServer !== null)(
  `what a turn costs on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
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

    /** Pages that it looked at, in all functions that it called. */
    const pagesOf = async ({ text }: Statement, parameters: Parameter[]) => {
      const [row] = await sql<Explained>(database, `explain (analyze, buffers, format json) ${text}`, parameters)
      const plan = row!["QUERY PLAN"][0]!.Plan
      return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    }
    const pagesOfTurn = async ({ id, userId, owner }: TestConversation) => {
      const [messageId, replyId, lease] = [newId(), newId(), "15 seconds"]
      const earlier = contextMessages - 1
      const question = [userId, id, messageId, "question", null, replyId, owner, lease, earlier, "enqueue"]
      const accept = await pagesOf(acceptMessage, question)
      const metadata = JSON.stringify({ context: { persona: "1", messages: 10, memories: [newId()], quotes: [] } })
      const answer = [id, replyId, owner, 1, "completed", "answer", null, 1, 1, "model", lease, earlier, metadata]
      return accept + (await pagesOf(endReply, answer))
    }
    const grow = async (ids: string[], userId: string, from: number, to: number) => {
      const idOf = (position: string) => `md5(c || ' ' || ${position})::uuid`
      await sql(
        database,
        `insert into public.messages (id, conversation_id, user_id, role, content, position, created_at)
         select ${idOf("n")}, c::uuid, case when n % 2 = 0 then $2::uuid end,
           case when n % 2 = 0 then 'user' else 'assistant' end, repeat('word ', 20), n, now()
         from unnest($1::text[]) c, generate_series($3::integer, $4::integer - 1) n`,
        [ids, userId, from, to],
      )
      await sql(
        database,
        `insert into grizz.replies (id, conversation_id, message_id, user_id, position, status, attempt, calls,
           lease_owner, started_at, ended_at)
         select ${idOf("n")}, c::uuid, ${idOf("n - 1")}, $2::uuid, n, 'completed', 1, 1, 'filled', now(), now()
         from unnest($1::text[]) c, generate_series($3::integer + 1, $4::integer - 1, 2) n`,
        [ids, userId, from, to],
      )
    }

    test("is as many pages in a long conversation as in a short one, with plans from when all were short", async () => {
      const stores = createStores(database, newId)
      const userId = newId()
      const all: TestConversation[] = []
      while (all.length < conversations) all.push(await TestConversation.create(stores, userId))
      // After five turns a connection keeps its plans.
      for (const conversation of all) for (let turn = 0; turn < 5; turn++) await conversation.say("question", "answer")
      const costs: { messages: number; turn: number; view: number }[] = []
      const measure = async (conversation: TestConversation, messages: number) => {
        // Planning after fresh statistics reads the catalogue, once.
        await conversation.say("question", "answer")
        const turn = await pagesOfTurn(conversation)
        costs.push({ messages, turn, view: await pagesOf(newestView, [conversation.userId, conversation.id, 50]) })
      }
      const ids = all.map(({ id }) => id)
      await measure(all[0]!, 10)
      await grow(ids, userId, 20, 1_000)
      await measure(all[1]!, 1_000)
      await sql(database, "analyze")
      await measure(all[2]!, 1_000)
      await grow([ids[3]!], userId, 1_000, 100_000)
      await measure(all[3]!, 100_000)
      // In a conversation that the window holds, other ones are looked for.
      await measure(await TestConversation.create(stores, userId), 2)
      await measure(await TestConversation.create(stores), 2)
      expect(costs.filter(({ turn, view }) => turn > turnPagesMax || view > viewPagesMax)).toEqual([])
      expect(costs).toHaveLength(6)
    }, 60_000)
  },
)
