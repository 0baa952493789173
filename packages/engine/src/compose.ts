import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import type { AddressInfo } from "node:net"
import { createChatAgent } from "./agents/chat-agent.ts"
import { loadPersona } from "./agents/persona.ts"
import { createHttpServer } from "./api/http-server.ts"
import { SocketServer } from "./api/ws/socket-server.ts"
import type { Config } from "./core/config.ts"
import { systemClock } from "./core/clock.ts"
import { ChatError } from "./core/errors.ts"
import { newId } from "./core/ids.ts"
import type { Logger } from "./core/logger.ts"
import type { Database } from "./db/database.ts"
import { SqlConversationStore } from "./db/conversation-store.ts"
import { SqlMessageStore } from "./db/message-store.ts"
import { SqlReplyStore } from "./db/reply-store.ts"
import { MemoryReplyLog } from "./live/memory-reply-log.ts"
import { withRetry } from "./llm/with-retry.ts"
import type { LlmClient, TokenVerifier } from "./ports.ts"
import type { DevelopmentSignIn } from "./api/routes/development.ts"
import { ChatService } from "./services/chat-service.ts"
import { ConversationReader } from "./services/conversation-reader.ts"
import { ConversationService } from "./services/conversation-service.ts"

/** What the engine is made of, opened by `main` and closed by it. */
export interface Parts {
  config: Config
  logger: Logger
  database: Database
  llm: LlmClient
  verifier: TokenVerifier
  /** Null unless sign-in is for development. */
  development: DevelopmentSignIn | null
}

export interface Engine {
  /** Takes requests from now on; gives the address. @throws Error with `code` `EADDRINUSE` and the like */
  listen(): Promise<{ host: string; port: number }>
  /** Takes nothing new, lets replies finish within the grace, and closes every connection. */
  drain(): Promise<void>
}

/** How often leases are renewed and texts saved, and how often abandoned replies are looked for, in ms. */
const heartbeatMs = 1000
const sweepMs = 5000

/** Joins the rooms. The only file that sees all of them. */
export async function compose({ config, logger, database, llm, verifier, development }: Parts): Promise<Engine> {
  const { contextMessages, contextTokens, personaFile } = config.chat
  const replies = new SqlReplyStore(database)
  const log = new MemoryReplyLog()
  const persona = await loadPersona(personaFile)
  const retrying = withRetry(llm, { attempts: 3, delayMs: 300, maxDelayMs: 5000 })
  const agent = createChatAgent({ llm: retrying, persona, contextTokens })
  const chat = new ChatService({ replies, log, agent, logger, owner: randomUUID(), contextMessages, newId })
  const reader = new ConversationReader(replies, log)
  const conversations = new ConversationService(
    new SqlConversationStore(database),
    new SqlMessageStore(database),
    systemClock,
    (conversationId) => chat.conversationDeleted(conversationId),
  )
  let isDraining = false
  const checks = {
    database: () => database.ping(),
    accepting: async () => {
      if (isDraining) throw new ChatError("unavailable", "This node is shutting down.")
    },
  }
  const { allowedOrigins } = config.http
  const shared = { logger, verifier, conversations, chat, reader, allowedOrigins, newId }
  const app = await createHttpServer({ ...shared, development, checks, page: pageOf(config) })
  const sockets = new SocketServer({ ...shared, loopbackOnly: development !== null })
  sockets.attach(app.server)
  const timers = [every(heartbeatMs, () => chat.heartbeat(), logger), every(sweepMs, () => chat.sweep(), logger)]

  return {
    async listen() {
      await chat.sweep()
      await app.listen({ host: config.http.host, port: config.http.port })
      const { address, port } = app.server.address() as AddressInfo
      return { host: address, port }
    },
    async drain() {
      isDraining = true
      sockets.refuseNew()
      await chat.drain(config.http.drainTimeoutMs)
      for (const timer of timers) clearInterval(timer)
      await sockets.close()
      await app.close()
    },
  }
}

/** Runs the task on a timer, never twice at once; a failure is logged, and the next time is another try. */
function every(intervalMs: number, task: () => Promise<void>, logger: Logger): NodeJS.Timeout {
  let isRunning = false
  return setInterval(() => {
    if (isRunning) return
    isRunning = true
    task()
      .catch((error: unknown) => logger.warn({ err: error }, "background task failed"))
      .finally(() => (isRunning = false))
  }, intervalMs)
}

function pageOf({ auth, llm }: Config): Parameters<typeof createHttpServer>[0]["page"] {
  const isSupabase = auth.kind === "supabase"
  return {
    folder: fileURLToPath(new URL("../../web/dist", import.meta.url)),
    config: {
      sign_in: auth.kind,
      model: llm.endpoint === null ? "offline" : "openai",
      supabase_url: isSupabase ? auth.url : null,
      supabase_publishable_key: isSupabase ? auth.publishableKey : null,
    },
  }
}
