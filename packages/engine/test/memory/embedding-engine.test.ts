import { randomUUID } from "node:crypto"
import type { Turn } from "@grizz/protocol"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { prepareVectors } from "../../src/db/prepare-vectors.ts"
import type { OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { answerWith, textsOf, wordVectors } from "../support/embedding-server.ts"
import { patient, startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { answer } from "../support/model-stream.ts"
import { kindsWithoutVectors, kindsWithVectors } from "../support/vector-kinds.ts"

const synonyms = wordVectors({ hound: "puppy" })
const head = { "content-type": "application/json" }

for (const kind of kindsWithVectors) {
  describe(`an engine with embeddings on ${kind.name}`, () => {
    let opened: OpenDatabase
    let model: ModelServer
    let embed: (call: ModelCall) => void
    let engine: TestEngine
    let user: TestUser

    beforeAll(async () => {
      opened = await kind.open()
    })
    afterAll(() => opened.close())
    beforeEach(async () => {
      const { database } = opened
      await sql(database, "delete from public.conversations")
      await sql(database, "delete from grizz.embedding_model")
      expect(await prepareVectors(database, "small")).toBeNull()
      model = await startModelServer((call) => {
        if (call.url.endsWith("/embeddings")) embed(call)
        else call.begin().end(answer("I ", "see."))
      })
    })
    afterEach(async () => {
      await engine.close()
      await model.close()
    })

    async function start(recollectionMaxMs: number): Promise<void> {
      const env = { OPENAI_BASE_URL: model.baseUrl, EMBEDDINGS_MODEL: "small", CONTEXT_MESSAGES: "1" }
      const given = { modelUrl: model.baseUrl, env, indexIntervalMs: 20, recollectionMaxMs }
      engine = await startTestEngine({ database: opened.database, ...given })
      user = await engine.user()
    }

    async function say(content: string): Promise<Turn> {
      const path = `/conversations/${await user.today()}/messages`
      return (await user.request<Turn>("POST", path, { id: randomUUID(), content })).body
    }
    const quotesOf = ({ reply }: Turn) => (reply.metadata as { context: { quotes: string[] } }).context.quotes

    test("replies with what was said in other words, and forgets it with its message", async () => {
      embed = (call) => answerWith(call, textsOf(call).map(synonyms))
      await start(patient)
      const { message } = await say("puppy")
      for (let number = 0; number < 25; number++) await say(`The turn of number ${number}`)
      const waiting = `select from public.messages m where m.role = 'user' and not exists (
        select from grizz.message_vectors v where v.message_id = m.id and v.embedding is not null)`
      await expect.poll(() => sql(opened.database, waiting), { timeout: 60_000 }).toEqual([])
      const path = `/conversations/${await user.today()}/messages`
      const asked = await say("hound")
      expect(quotesOf(asked)[0]).toBe(message.id)
      for (const { id } of [message, asked.message]) await user.request("DELETE", `${path}/${id}`)
      expect(quotesOf(await say("hound"))).not.toContain(message.id)
      const vectors = "select from grizz.message_vectors v where v.message_id = $1::uuid"
      expect(await sql(opened.database, vectors, [message.id])).toEqual([])
    }, 200_000)

    test.each<[string, number, (call: ModelCall) => void]>([
      // Not waited for any longer, however patient the test is.
      ["is silent", 150, () => undefined],
      ["is in trouble", patient, (call) => call.respond(500, head, "{}")],
      ["gives what is none", patient, (call) => call.respond(200, head, '{"data":[{"index":0,"embedding":["NaN"]}]}')],
      ["hangs up", patient, (call) => call.reset()],
    ])(
      "answers as ever while the embeddings model %s, and logs it once",
      async (_, maxMs, trouble) => {
        embed = trouble
        await start(maxMs)
        const told = await say("My badger is called Otto")
        const ask = async () => {
          const turn = await say("What is the badger called?")
          expect(turn.reply).toMatchObject({ status: "completed", content: "I see." })
          return quotesOf(turn)
        }
        await expect.poll(ask, { timeout: 60_000 }).toContain(told.message.id)
        for (let times = 0; times < 5; times++) await ask()
        const logged = (text: string) => engine.log.filter((line) => line.includes(text)).length
        expect(logged("without embeddings for now")).toBe(1)
        expect(logged("no embeddings are made for now")).toBeLessThanOrEqual(1)
      },
      120_000,
    )
  })
}

for (const kind of kindsWithoutVectors) {
  test(`an engine asks for no embeddings where there is no pgvector, and finds by words, on ${kind.name}`, async () => {
    const opened = await kind.open()
    const model = await startModelServer((call) => call.begin().end(answer("I ", "see.")))
    try {
      const { database } = opened
      expect(await prepareVectors(database, "small")).toBe("this PostgreSQL does not have pgvector")
      const env = { OPENAI_BASE_URL: model.baseUrl, EMBEDDINGS_MODEL: "small", CONTEXT_MESSAGES: "1" }
      const engine = await startTestEngine({
        database,
        modelUrl: model.baseUrl,
        env,
        indexIntervalMs: 20,
        recollectionMaxMs: patient,
      })
      const user = await engine.user()
      const path = `/conversations/${await user.today()}/messages`
      const say = async (content: string) =>
        (await user.request<Turn>("POST", path, { id: randomUUID(), content })).body
      const { message } = await say("My badger is called Otto")
      const ask = async () => JSON.stringify((await say("What is the badger called?")).reply.metadata)
      await expect.poll(ask, { timeout: 60_000 }).toContain(message.id)
      expect(model.calls.filter(({ url }) => url.endsWith("/embeddings"))).toEqual([])
      await engine.close()
    } finally {
      await opened.close()
      await model.close()
    }
  }, 120_000)
}
