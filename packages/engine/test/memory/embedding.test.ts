import { randomUUID } from "node:crypto"
import { pino } from "pino"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { newId } from "../../src/core/ids.ts"
import type { Database } from "../../src/db/database.ts"
import { PostgresEmbeddingStore } from "../../src/db/postgres-embedding-store.ts"
import { prepareVectors } from "../../src/db/prepare-vectors.ts"
import { createStores, type Stores } from "../../src/db/stores.ts"
import { openaiEmbedder } from "../../src/llm/openai-embedder.ts"
import { fuseQuotes } from "../../src/services/fuse-quotes.ts"
import { MessageEmbedding } from "../../src/services/message-embedding.ts"
import { TestConversation } from "../support/database-conversation.ts"
import type { OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { answerWith, type Embedding, senseless, textsOf, wordVectors } from "../support/embedding-server.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { kindsWithVectors } from "../support/vector-kinds.ts"

const limits = { quotes: 50, quoteLength: 100, totalLength: 10_000 }
const never = new AbortController().signal
const synonyms = wordVectors({ hound: "dog", puppy: "dog", automobile: "car", physician: "doctor", vessel: "ship" })

for (const kind of kindsWithVectors) {
  describe(`embeddings on ${kind.name}`, () => {
    let opened: OpenDatabase
    let database: Database
    let stores: Stores
    let model: ModelServer
    let answer: (call: ModelCall, index: number) => void
    let log: { level: number; msg: string }[]
    let nowMs: number
    const started: MessageEmbedding[] = []

    const answerBy = (embedding: Embedding) => (call: ModelCall) => answerWith(call, textsOf(call).map(embedding))

    beforeAll(async () => {
      opened = await kind.open()
      database = opened.database
      stores = createStores(database, newId)
    })
    afterAll(() => opened.close())
    beforeEach(async () => {
      model = await startModelServer((call, index) => answer(call, index))
      answer = answerBy(synonyms)
      log = []
      nowMs = 0
      await sql(database, "delete from public.conversations")
      await use("small")
    })
    afterEach(async () => {
      await Promise.all(started.splice(0).map((embedding) => embedding.stop()))
      await model.close()
    })

    async function use(name: string): Promise<void> {
      expect(await prepareVectors(database, name)).toBeNull()
      await sql(database, "update grizz.embedding_model set lease_until = null")
    }

    const embedderOf = (name: string) =>
      openaiEmbedder({ baseUrl: model.baseUrl, apiKey: null, model: name, timeoutMs: 10_000 })

    function start(name = "small"): MessageEmbedding {
      const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line)) })
      const options = { embeddings: stores.embeddings, embedder: embedderOf(name), logger, now: () => nowMs }
      const embedding = new MessageEmbedding({ ...options, owner: randomUUID() })
      started.push(embedding)
      return embedding
    }

    /** Everything that was said is indexed by its words, which comes first. */
    async function index(): Promise<void> {
      while (await stores.messageIndex.indexNext());
    }

    async function talk(lines: string[], userId = newId()): Promise<TestConversation> {
      const conversation = await TestConversation.create(stores, userId)
      for (const line of lines) await conversation.say(line, "I see.")
      await index()
      return conversation
    }

    interface Vector {
      content: string
      generation: number
      has_vector: boolean
    }
    const vectors = () =>
      sql<Vector>(
        database,
        `select m.content, v.generation, v.embedding is not null as has_vector
        from grizz.message_vectors v join public.messages m on m.id = v.message_id order by m.position, m.id`,
      )
    const withVector = async () => (await vectors()).filter(({ has_vector: has }) => has).map(({ content }) => content)

    /** What is found for a question that is asked in a conversation of its own, by words and by both. */
    async function find(userId: string, question: string, comparedMax?: number, name = "small") {
      const { reply, message } = await (await TestConversation.create(stores, userId)).start(question)
      const occasion = { conversationId: reply.conversationId, position: message!.position, window: 1 }
      const [vector] = await embedderOf(name).embed([question], never)
      const { quotes } = await stores.memories.recollect(occasion, limits)
      const embeddings = new PostgresEmbeddingStore(database, comparedMax)
      const near = await embeddings.nearest(occasion, { model: name, vector: vector! }, limits)
      const textsOf = (found: { text: string }[]) => found.map(({ text }) => text)
      return { byWords: textsOf(quotes), fused: textsOf(fuseQuotes(quotes, near)) }
    }
    const recall = async (userId: string, question: string, comparedMax?: number) =>
      (await find(userId, question, comparedMax)).fused

    const small = Array.from({ length: 40 }, (_, number) => `It is the turn of number ${number} of many`)

    test("finds by meaning what shares no word with the question, and by words as before", async () => {
      const { userId } = await talk([...small.slice(0, 20), "We bought a puppy", ...small.slice(20)])
      await start().sweep()
      expect(await recall(userId, "hound")).toEqual(["We bought a puppy"])
      expect((await recall(userId, "puppy"))[0]).toBe("We bought a puppy")
      expect(await recall(newId(), "hound")).toEqual([])
    })

    test("a role that may not make the extension, or the table, is told so in a sentence", async () => {
      const empty = await kind.open()
      const obstacles = await empty.database.session(async (session) => {
        const make = async () =>
          (await sql<{ obstacle: string }>(session, "select grizz.make_vectors() as obstacle"))[0]
        await session.script(`create role vectorless;
          grant usage on schema grizz to vectorless; grant execute on all functions in schema grizz to vectorless`)
        await session.script("set role vectorless")
        const extension = await make()
        await session.script("reset role; create extension vector schema public; set role vectorless")
        const table = await make()
        await session.script("reset role; drop owned by vectorless; drop role vectorless")
        return [extension?.obstacle, table?.obstacle]
      })
      await empty.close()
      expect(obstacles[0]).toMatch(/^the extension vector cannot be made: permission denied/)
      expect(obstacles[1]).toMatch(/^this role may not make the table: permission denied/)
    })

    test("a text is asked for once, with what is blank left out, in calls of a bounded size", async () => {
      await talk([...small, "   \n"])
      await start().sweep()
      await start().sweep()
      const asked = model.calls.flatMap(textsOf)
      expect(new Set(asked)).toEqual(new Set([...small, "I see."]))
      expect(asked).toHaveLength(81)
      expect(Math.max(...model.calls.map((call) => textsOf(call).length))).toBe(32)
      const long = await talk(["x".repeat(30_000)])
      await start().sweep()
      expect(model.calls.flatMap(textsOf)).toContain("x".repeat(2000))
      expect((await recall(long.userId, "x")).length).toBeLessThanOrEqual(1)
    })

    test("another model, or the same with another dimension, makes all vectors anew, and none of its own are mixed in", async () => {
      const { userId } = await talk([...small, "We bought a puppy"])
      await start().sweep()
      await use("large")
      // The question's is still the old model's: what was found by words is.
      expect(await recall(userId, "hound")).toEqual([])
      expect((await recall(userId, "puppy"))[0]).toBe("We bought a puppy")
      const calls = model.calls.length
      await start("small").sweep()
      expect(model.calls).toHaveLength(calls)
      const large = start("large")
      await large.sweep()
      const ask = async () => (await find(userId, "hound", undefined, "large")).fused
      expect(await ask()).toEqual(["We bought a puppy"])
      // As if the new model had not come to this one yet.
      await sql(
        database,
        `update grizz.message_vectors set generation = generation - 1
        where message_id = (select id from public.messages where content = 'We bought a puppy')`,
      )
      expect(await ask()).toEqual([])
      await large.sweep()
      expect(await ask()).toEqual(["We bought a puppy"])
      const [before] = await vectors()
      expect(await withVector()).toHaveLength(82)
      // Longer by a half: pgvector would refuse to compare these.
      answer = answerBy((text) => [...synonyms(text), ...synonyms(text).slice(0, 64)])
      const later = await TestConversation.create(stores, userId)
      await later.say("We sold the automobile", "I see.")
      await index()
      await large.sweep()
      const made = await vectors()
      expect(new Set(made.map(({ generation }) => generation))).toEqual(new Set([before!.generation + 1]))
      expect(made.every(({ has_vector: has }) => has)).toBe(true)
    })

    test("what was said before embeddings were switched on gets its vectors too", async () => {
      await talk(small.slice(0, 5))
      await sql(database, "delete from grizz.message_vectors")
      await sql(database, "delete from grizz.embedding_model")
      await use("small")
      await start().sweep()
      expect(await withVector()).toHaveLength(10)
    })

    test("a vector goes with its message, and is made again when the text changes", async () => {
      const conversation = await talk(["We bought a puppy", "We sold the car"])
      await start().sweep()
      const [first] = await sql<{ id: string }>(
        database,
        "update public.messages set content = 'We bought a vessel' where content = 'We bought a puppy' returning id",
      )
      expect((await vectors())[0]).toEqual({ content: "We bought a vessel", generation: 0, has_vector: false })
      await start().sweep()
      expect(await withVector()).toContain("We bought a vessel")
      await stores.replies.erase(conversation.userId, conversation.id, first!.id)
      expect((await vectors()).map(({ content }) => content)).toEqual(["I see.", "We sold the car", "I see."])
      await stores.conversations.delete(conversation.userId, conversation.id)
      expect(await sql(database, "select from grizz.message_vectors")).toHaveLength(0)
    })

    test("a vector of a text that changed, or was erased, while it was made is not stored", async () => {
      const conversation = await talk(["We bought a puppy", "We sold the car"])
      const change = async () => {
        await sql(database, "update public.messages set content = 'Nothing' where content = 'We bought a puppy'")
        const sold = "select id::text as id from public.messages where content = 'We sold the car'"
        const [{ id }] = (await sql<{ id: string }>(database, sold)) as [{ id: string }]
        await stores.replies.erase(conversation.userId, conversation.id, id)
        answer = answerBy(synonyms)
      }
      answer = (call) => void change().then(() => answer(call, 0))
      await start().sweep()
      const [changed] = await vectors()
      expect(changed).toMatchObject({ content: "Nothing", has_vector: true })
      expect(model.calls.flatMap(textsOf)).toContain("Nothing")
      expect(await withVector()).toHaveLength(3)
    })

    test("while the memory is paused nothing is embedded, later only what was said before, also by another model", async () => {
      const userId = newId()
      const conversation = await talk(["Before"], userId)
      const setPaused = async (isPaused: boolean) => {
        // A clock of milliseconds may stand behind the last microsecond that was given.
        const isAhead = "select from public.messages where created_at >= clock_timestamp()"
        while ((await sql(database, isAhead)).length > 0);
        await stores.memories.setPaused(userId, isPaused)
      }
      await setPaused(true)
      await conversation.say("Meanwhile", "I see.")
      await index()
      await start().sweep()
      await start().sweep()
      expect(model.calls).toHaveLength(0)
      await conversation.say("Also meanwhile", "I see.")
      await setPaused(false)
      await conversation.say("After", "Indeed.")
      await index()
      await start().sweep()
      expect(await withVector()).toEqual(["Before", "I see.", "After", "Indeed."])
      await use("large")
      await start("large").sweep()
      expect(await withVector()).toEqual(["Before", "I see.", "After", "Indeed."])
      expect(model.calls.flatMap(textsOf).join()).not.toContain("eanwhile")
    })

    test("where there is nothing to do nothing is written", async () => {
      await talk(["We bought a puppy"])
      const paused = await talk(["We sold the car"])
      await stores.memories.setPaused(paused.userId, true)
      const embedding = start()
      await embedding.sweep()
      await embedding.sweep()
      // Of a row that was only locked, too.
      const row = () => sql(database, "select ctid::text, xmin::text, xmax::text from grizz.embedding_model")
      const before = await row()
      await embedding.sweep()
      await start().sweep()
      expect(await row()).toEqual(before)
    })

    test("one node at a time makes them; another takes over when its time is over", async () => {
      await talk(small)
      const gate = Promise.withResolvers<void>()
      answer = (call) => void gate.promise.then(() => answerBy(synonyms)(call))
      const first = start().sweep()
      await model.called(1)
      await start().sweep()
      expect(model.calls).toHaveLength(1)
      // As if it had taken too long.
      await use("small")
      const second = start().sweep()
      await model.called(2)
      gate.resolve()
      await Promise.all([first, second])
      expect(await withVector()).toHaveLength(80)
    })

    describe("a model that", () => {
      const head = { "content-type": "application/json" }
      const troubles: Record<string, (call: ModelCall) => void> = {
        "is in trouble": (call) => call.respond(500, head, "{}"),
        "refuses everything": (call) => call.respond(400, head, "{}"),
        "gives too few": (call) => answerWith(call, [[1, 2]]),
        "gives no numbers": (call) =>
          answerWith(
            call,
            textsOf(call).map(() => ["NaN"]),
          ),
        "hangs up": (call) => call.reset(),
      }
      test.each(Object.keys(troubles))(
        "%s is left alone for longer and longer, and logged once, as is its return",
        async (trouble) => {
          const { userId } = await talk(["We bought a puppy"])
          answer = troubles[trouble]!
          const embedding = start()
          let last = 0
          for (const waited of [0, 4999, 1, 9999, 1]) {
            nowMs += waited
            await embedding.sweep()
            expect(model.calls.length > last).toBe(waited <= 1)
            last = model.calls.length
          }
          expect(log.map(({ level }) => level)).toEqual([40])
          expect(await withVector()).toEqual([])
          answer = answerBy(synonyms)
          nowMs += 20_000
          await embedding.sweep()
          expect(log.map(({ level }) => level)).toEqual([40, 30])
          expect(await withVector()).toHaveLength(2)
          expect((await recall(userId, "puppy"))[0]).toBe("We bought a puppy")
        },
      )
    })

    test("one text that is refused keeps no other from its vector: it is cut, and then left without", async () => {
      await talk([...small, "y".repeat(1500), `never ${"z".repeat(100)}`])
      answer = (call) => {
        const isRefused = textsOf(call).some((text) => text.length > 1000 || text.startsWith("never"))
        if (isRefused) call.respond(400, { "content-type": "application/json" }, "{}")
        else answerBy(synonyms)(call)
      }
      await start().sweep()
      const made = await vectors()
      expect(made.filter(({ has_vector: has }) => !has).map(({ content }) => content)).toEqual([
        `never ${"z".repeat(100)}`,
      ])
      expect(model.calls.flatMap(textsOf)).toContain("y".repeat(400))
      const calls = model.calls.length
      await start().sweep()
      expect(model.calls).toHaveLength(calls)
      expect(log).toEqual([])
    })

    test("a model without sense leaves what is found by words as it is", async () => {
      const words = Array.from(
        { length: 60 },
        (_, number) => `thing${String.fromCharCode(97 + (number % 26))}${number}`,
      )
      const lines = Array.from(
        { length: 240 },
        (_, number) => `${words[number % 60]} and ${words[(number * 7) % 60]} in ${number}`,
      )
      const { userId } = await talk(lines)
      answer = answerBy(senseless)
      await start().sweep()
      expect(await withVector()).toHaveLength(480)
      const questions = words.map((word, number) => `${word} ${words[(number * 11 + 3) % 60]}`)
      let kept = 0
      let sought = 0
      for (const question of questions) {
        const { byWords, fused } = await find(userId, question)
        const best = byWords.slice(0, 10)
        sought += best.length
        kept += best.filter((text) => fused.slice(0, 10).includes(text)).length
      }
      expect(sought).toBeGreaterThan(300)
      expect(kept / sought).toBeGreaterThan(0.98)
    })

    test("of a user with very many an index is made, used, and removed with its model", async () => {
      const { userId } = await talk([...small, "We bought a puppy"])
      await start().sweep()
      expect(await stores.embeddings.tendIndex()).toBe(false)
      // Fifty are very many here.
      expect(await recall(userId, "hound", 50)).toBeDefined()
      expect(await stores.embeddings.tendIndex()).toBe(true)
      expect(await stores.embeddings.tendIndex()).toBe(false)
      const indexes = () =>
        sql<{ definition: string }>(
          database,
          `select pg_get_indexdef(i.indexrelid) as definition from pg_index i
          where i.indrelid = 'grizz.message_vectors'::regclass and i.indisvalid and pg_get_indexdef(i.indexrelid) like '%hnsw%'`,
        )
      expect((await indexes())[0]!.definition).toContain(userId)
      expect(await recall(userId, "hound", 50)).toEqual(["We bought a puppy"])
      await use("large")
      expect(await stores.embeddings.tendIndex()).toBe(true)
      expect(await indexes()).toEqual([])
    })
  })
}
