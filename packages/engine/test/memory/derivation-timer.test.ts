import { randomUUID } from "node:crypto"
import type { MemoryPage, Turn } from "@grizz/protocol"
import { expect, test } from "vitest"
import { databaseKinds } from "../support/database-kinds.ts"
import { patient, startTestEngine } from "../support/engine.ts"
import { type ModelCall, startModelServer } from "../support/model-server.ts"
import { answer } from "../support/model-stream.ts"

const fact = { text: "The user's dog is called Bruno.", sources: [1], supersedes: null }

/** Answers replies as a stream, and the memory's calls with a fact. */
function respond(call: ModelCall): void {
  const { stream = false } = call.body as { stream?: boolean }
  if (stream) return call.begin().end(answer("I ", "see."))
  const message = { role: "assistant", content: JSON.stringify({ facts: [fact] }) }
  const choices = [{ index: 0, finish_reason: "stop", message }]
  const body = { id: "x", object: "chat.completion", created: 1, model: "m", choices, usage: { total_tokens: 100 } }
  call.respond(200, { "content-type": "application/json" }, JSON.stringify(body))
}

for (const kind of databaseKinds) {
  test.skipIf(kind.missing !== null)(
    `a running engine derives a fact once the conversation is quiet, and answers with it, on ${kind.name}`,
    async () => {
      const model = await startModelServer(respond)
      const opened = await kind.open()
      const engine = await startTestEngine({
        database: opened.database,
        modelUrl: model.baseUrl,
        env: { OPENAI_BASE_URL: model.baseUrl },
        recollectionMaxMs: patient,
        derivationTiming: { intervalMs: 50, quietSeconds: 1 },
      })
      try {
        const user = await engine.user()
        const path = `/conversations/${await user.today()}/messages`
        const say = async (content: string) =>
          (await user.request<Turn>("POST", path, { id: randomUUID(), content })).body
        const { message } = await say("My dog is called Bruno")
        const known = async () => (await user.request<MemoryPage>("GET", "/memories")).body.data
        await expect.poll(known, { timeout: 20_000 }).toHaveLength(1)
        const [memory] = await known()
        expect(memory).toMatchObject({ kind: "fact", text: fact.text, sources: [{ message_id: message.id }] })
        const { reply } = await say("What is it called?")
        expect(reply.metadata).toMatchObject({ context: { memories: [memory!.id] } })
        expect(JSON.stringify(model.calls.at(-1)!.body)).toContain("The user's dog is called Bruno.")
      } finally {
        await engine.close()
        await opened.close()
        await model.close()
      }
    },
    60_000,
  )
}
