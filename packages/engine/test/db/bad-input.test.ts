import { limits as wire } from "@grizz/protocol"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Parameter } from "../../src/db/database.ts"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { MessageSearch } from "../../src/services/message-search.ts"
import { TestConversation } from "../support/database-conversation.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"

interface Explained {
  "QUERY PLAN": { Plan: { "Shared Hit Blocks": number; "Shared Read Blocks": number } }[]
}

const messages = 50_000
const limits = { quotes: 32, quoteLength: 601, totalLength: 9000 }
const long = (unit: string) => unit.repeat(Math.ceil(32_000 / unit.length)).slice(0, 32_000)

const questions: Record<string, string> = {
  "10,000 times one letter": "a".repeat(10_000),
  "only stop words": "the of and to it is was with that",
  "only emoji": "🐻🍯🎉".repeat(50),
  "Chinese without spaces": "我昨天在东京塔下面看到了一只很大的熊和很多蜂蜜".repeat(20),
  "the syntax of tsquery": "& | ! :* ' <-> (a & !b):*C | ' \\ '' <2> \" () ?",
  "32,000 characters of one word": long("weather "),
  "32,000 characters of different words": long(Array.from({ length: 8000 }, (_, number) => `place${number}`).join(" ")),
  "32,000 characters without a space": long("0123456789abcdef"),
  "32,000 characters of Chinese": long("我昨天在东京塔下面看到了一只很大的熊和很多蜂蜜"),
  "32,000 signs": long("&|!:*'()<->"),
}

describe.skipIf(missingServer !== null)(
  `bad input among ${messages} messages of one user, on server PostgreSQL${missingServer === null ? "" : `: ${missingServer}`}`,
  () => {
    let server: { url: string; drop: () => Promise<void> }
    let database: PostgresDatabase
    let stores: Stores
    const userId = newId()

    beforeAll(async () => {
      server = await createServerDatabase()
      database = openServerDatabase(server.url)
      await migrate(database)
      stores = createStores(database, newId)
      await sql(
        database,
        `insert into public.conversations (id, user_id, updated_at)
          select md5($1 || n)::uuid, $1::uuid, clock_timestamp() from generate_series(0, $2::integer / 500 - 1) n`,
        [userId, messages],
      )
      await sql(
        database,
        `insert into public.messages (id, conversation_id, role, content, position)
          select md5($1 || ' ' || n)::uuid, md5($1 || n / 500)::uuid, (array['user', 'assistant'])[n % 2 + 1],
            'The weather of place' || n || ', and of place' || n % 1000 || ', was like a 蜂蜜 of the bear', n % 500
          from generate_series(0, $2::integer - 1) n`,
        [userId, messages],
      )
      // The bad input itself, and a page of the longest messages, none of whose words comes in another order.
      const { id } = await stores.conversations.create(userId, null)
      const longest = Array.from({ length: 21 }, (_, number) =>
        long(
          `honey ${Array.from({ length: 3000 }, (__, word) => `place${(word * 7 + number) % 3000} lived`).join(" ")}`,
        ),
      )
      await sql(
        database,
        `insert into public.messages (id, conversation_id, role, content, position)
          select gen_random_uuid(), $1::uuid, 'user', text, place from unnest($2::text[]) with ordinality t(text, place)`,
        [id, [...Object.values(questions), ...longest]],
      )
      while (await stores.messageIndex.indexNext());
      // As it is sooner or later on every server.
      await database.session((session) => session.script("vacuum analyze grizz.message_terms, public.messages"))
    }, 300_000)
    afterAll(async () => {
      await database.close()
      await server.drop()
    })

    /** The best of some times, and of more where the machine is busy. */
    async function bestMs(work: () => Promise<unknown>): Promise<number> {
      let best = Number.POSITIVE_INFINITY
      for (let time = 0; time < 5 || (best >= 100 && time < 50); time++) {
        const startMs = performance.now()
        await work()
        best = Math.min(best, performance.now() - startMs)
      }
      return best
    }

    /** Pages that a statement reads. */
    async function pagesOf(from: string, parameters: Parameter[]): Promise<number> {
      const explained = `explain (analyze, buffers, format json) select * from ${from}`
      const [row] = await sql<Explained>(database, explained, parameters)
      const plan = row!["QUERY PLAN"][0]!.Plan
      return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    }
    const find = (query: string) =>
      new MessageSearch(stores.search).find(userId, query, { limit: 20, before: undefined })

    test.each(Object.keys(questions))(
      "a recall and a search for %s take less than 100 ms",
      async (name) => {
        const question = questions[name]!
        const { reply, message } = await (await TestConversation.create(stores, userId)).start(question)
        const occasion = { conversationId: reply.conversationId, position: message!.position, window: 1 }
        expect(await bestMs(() => stores.memories.recollect(occasion, limits))).toBeLessThan(100)
        expect(await bestMs(() => find(question.slice(0, wire.searchMaxLength)))).toBeLessThan(100)
        const asked = "grizz.recall($1::uuid, $2, null, null, now(), 'UTC', 32)"
        expect(await pagesOf(asked, [userId, question])).toBeLessThan(5000)
      },
      120_000,
    )

    test("a page of the longest messages takes less than 100 ms, with its highlights", async () => {
      const { items } = await find("honey lived")
      expect(items).toHaveLength(20)
      expect(items.map(({ highlights }) => highlights.length)).toEqual(items.map(() => 200))
      expect(await bestMs(() => find("honey lived"))).toBeLessThan(100)
    }, 120_000)
  },
)
