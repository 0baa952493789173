import { randomUUID } from "node:crypto"
import { newId } from "../../../packages/engine/src/core/ids.ts"
import { migrate } from "../../../packages/engine/src/db/migrate.ts"
import { PostgresDatabase } from "../../../packages/engine/src/db/postgres-database.ts"
import { createStores } from "../../../packages/engine/src/db/stores.ts"
import type { ReplyJob } from "../../../packages/engine/src/ports.ts"
import type { TurnStore } from "./turn-store.ts"

/** The engine's own, with the settings that it has where nobody says otherwise. */
const settings = { poolSize: 10, maxOverflow: 5, recycleSeconds: 180, statementTimeoutMs: 15_000 }
const leaseSeconds = 15
const contextMessages = 10

export interface EngineStore extends TurnStore {
  /** Begins a reply in each of as many conversations; then renews their leases and saves their texts, `beats` times. */
  heartbeats(plan: { replies: number; beats: number; text: string; between: () => Promise<void> }): Promise<void>
}

/** The engine's two round trips of a turn, with everything that they promise. */
export async function openEngineStore(url: string): Promise<EngineStore> {
  const database = new PostgresDatabase({ url, ...settings })
  await migrate(database)
  const { conversations, replies } = createStores(database, newId, { leaseSeconds })
  const userId = randomUUID()
  const owner = randomUUID()
  const accept = async (conversationId: string, content: string): Promise<ReplyJob> => {
    const message = { userId, conversationId, messageId: newId(), content, metadata: null, replyId: newId() }
    const accepted = await replies.accept(message, owner, contextMessages, "enqueue")
    if (accepted.outcome !== "accepted" || accepted.job === null) throw new Error("a message was not accepted")
    return accepted.job
  }
  const begin = async () => (await conversations.create(userId, null)).id
  return {
    begin,
    async turn(conversationId, question, answer) {
      const { reply } = await accept(conversationId, question)
      const usage = { inputTokens: 100, outputTokens: 200 }
      const outcome = { status: "completed", text: answer, errorCode: null, usage, model: "bench", used: null } as const
      if ((await replies.end(reply, outcome, owner, contextMessages)) === null) throw new Error("a reply was lost")
    },
    async heartbeats({ replies: count, beats, text, between }) {
      const held: { replyId: string; attempt: number; text: string }[] = []
      for (let number = 0; number < count; number++) {
        const { reply } = await accept(await begin(), `question ${number}`)
        held.push({ replyId: reply.id, attempt: reply.attempt, text: "" })
      }
      await between()
      for (let beat = 1; beat <= beats; beat++) {
        const soFar = text.slice(0, Math.ceil((text.length * beat) / beats))
        const { lost } = await replies.heartbeat(
          owner,
          held.map((reply) => ({ ...reply, text: soFar })),
        )
        if (lost.length > 0) throw new Error("a lease was lost")
      }
    },
    close: () => database.close(),
  }
}
