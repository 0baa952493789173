import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { chatAgent } from "./agents/chat-agent.ts"
import { loadPersona } from "./agents/persona.ts"
import { ConnectionLimit } from "./api/connection-limit.ts"
import { createHttpServer } from "./api/http-server.ts"
import { SessionExpiry } from "./api/session.ts"
import { LongAnswers } from "./api/sse/long-answers.ts"
import { SocketServer } from "./api/ws/socket-server.ts"
import { type DevelopmentSignIn, developmentSignIn } from "./auth/development.ts"
import { readDevelopmentSecret } from "./auth/development-secret.ts"
import { supabaseVerifier } from "./auth/supabase-verifier.ts"
import { Background } from "./background.ts"
import { type Clock, systemClock } from "./core/clock.ts"
import type { AuthConfig, Config, DatabaseConfig, LlmConfig } from "./core/config.ts"
import { ChatError } from "./core/errors.ts"
import { newId } from "./core/ids.ts"
import type { Logger } from "./core/logger.ts"
import type { Database } from "./db/database.ts"
import { openEmbeddedDatabase } from "./db/embedded-database.ts"
import { PostgresDatabase } from "./db/postgres-database.ts"
import { createStores, type Stores } from "./db/stores.ts"
import type { LiveReplyLog } from "./live/live-reply-log.ts"
import { type OpenReplyLog, openReplyLog } from "./live/open-reply-log.ts"
import { startOfflineModel } from "./llm/offline-model.ts"
import { type ClosableLlmClient, openaiClient } from "./llm/openai-client.ts"
import { openaiEmbedder } from "./llm/openai-embedder.ts"
import { openaiStructuredModel } from "./llm/openai-structured-model.ts"
import { withRetry } from "./llm/with-retry.ts"
import type { Embedder } from "./memory-ports.ts"
import type { TokenVerifier } from "./ports.ts"
import { ChatService } from "./services/chat-service.ts"
import { ConversationReader } from "./services/conversation-reader.ts"
import { ConversationService } from "./services/conversation-service.ts"
import { MemoryDerivation } from "./services/memory-derivation.ts"
import { MessageEmbedding } from "./services/message-embedding.ts"
import { MemoryBook } from "./services/memory-book.ts"
import { MessageSearch } from "./services/message-search.ts"
import { findByMeaning } from "./services/meaning.ts"
import { recollection } from "./services/recollection.ts"
import { ReplyRunner } from "./services/reply-runner.ts"
import { ReplySweep } from "./services/reply-sweep.ts"
import { Serial } from "./services/serial.ts"

export interface Engine {
  /** Takes requests from now on; gives the address. @throws Error with `code` `EADDRINUSE` and the like */
  listen(): Promise<{ host: string; port: number }>
  /** Takes nothing new, lets replies finish within the grace, and closes every connection. */
  drain(): Promise<void>
}

/** Whatever the engine holds open, beside the database that `main` opened. */
export interface SignIn {
  verifier: TokenVerifier
  /** Null unless sign-in is for development. */
  development: DevelopmentSignIn | null
}

/** How long a reply stays its owner's after the last heartbeat. */
const leaseSeconds = 15

/** How often conversations that went quiet are looked for, and how long that is. */
export interface DerivationTiming {
  intervalMs: number
  quietSeconds: number
}
const usualDerivationTiming: DerivationTiming = { intervalMs: 30_000, quietSeconds: 300 }

/** How often new messages are added to the index of words. */
const usualIndexIntervalMs = 3000

/** How long a reply waits for what is remembered; a third of it for what is found by meaning, once the words are there. */
const usualRecollectionMaxMs = 150

/** What one user may cost a day (UTC), and how long one call may take. */
const derivation = { budget: { calls: 50, tokens: 250_000 }, timeoutMs: 120_000 }

/** How long one call for vectors may take, in ms. */
const embeddingTimeoutMs = 30_000

/** Where what is embedded keeps its data, under the folder the engine was started in. */
const dataFolder = ".grizz"

export function openDatabase(config: DatabaseConfig, logger: Logger): Promise<Database> | Database {
  if (config.url === null) return openEmbeddedDatabase({ directory: join(dataFolder, "postgres") })
  const onIdleError = (error: Error) => logger.warn({ err: error }, "an idle database connection was lost")
  return new PostgresDatabase({ ...config, url: config.url, onIdleError })
}

/** The model, or the offline one, which is served over HTTP so that both go the same way. */
export async function openModel(config: LlmConfig): Promise<ClosableLlmClient> {
  const offline = config.endpoint === null ? await startOfflineModel() : null
  const { baseUrl, apiKey } = config.endpoint ?? { baseUrl: offline!.baseUrl, apiKey: null }
  const client = openaiClient({
    baseUrl,
    apiKey: apiKey ?? undefined,
    model: config.model,
    timeouts: {
      connectMs: config.connectTimeoutMs,
      firstTokenMs: config.firstTokenTimeoutMs,
      idleMs: config.idleTimeoutMs,
      totalMs: config.totalTimeoutMs,
    },
    maxHoldMs: config.maxHoldMs,
  })
  const close = async () => {
    await client.close()
    await offline?.close()
  }
  return { stream: (request) => client.stream(request), close }
}

export async function openSignIn(config: AuthConfig): Promise<SignIn> {
  if (config.kind === "supabase") return { verifier: supabaseVerifier(config, systemClock), development: null }
  const development = developmentSignIn({ secret: await readDevelopmentSecret(dataFolder), clock: systemClock })
  return { verifier: development.verifier, development }
}

/** Replies in this process alone, or shared with other nodes through Redis. */
function openLog(redisUrl: string | null, logger: Logger): Promise<OpenReplyLog> {
  const onChange = (isUp: boolean, error: Error | null) => {
    if (isUp) logger.info("Redis answers: replies are shared between nodes")
    else logger.warn({ err: error }, "Redis does not answer: readers on other nodes are served from the database")
  }
  const onRefusal = (error: Error | null) => {
    if (error === null) logger.info("Redis stores again")
    else logger.warn({ err: error }, "Redis refuses to store: readers on other nodes are served from the database")
  }
  return openReplyLog({ redisUrl, onChange, onRefusal })
}

/** Joins the rooms. The only file that sees all of them. */
export async function compose(
  config: Config,
  logger: Logger,
  database: Database,
  model: ClosableLlmClient,
  { verifier, development }: SignIn,
  clock: Clock = systemClock,
  derivationTiming: DerivationTiming = usualDerivationTiming,
  indexIntervalMs = usualIndexIntervalMs,
  recollectionMaxMs = usualRecollectionMaxMs,
): Promise<Engine> {
  const { contextMessages, contextTokens, personaFile, concurrentSends, replyMaxAttempts } = config.chat
  const stores = createStores(database, newId, { leaseSeconds })
  const { log, close: closeLog } = await openLog(config.redisUrl, logger)
  const llm = withRetry(model, {
    attempts: 3,
    delayMs: 300,
    maxDelayMs: 5000,
    onRetry: ({ attempt, delayMs, failure }) =>
      logger.warn({ attempt, delay_ms: Math.round(delayMs), reason: failure.message }, "the model is called again"),
  })
  const owner = randomUUID()
  const now = () => performance.now()
  const { embeddings } = stores
  const embedder = await openEmbedder(config.llm, stores)
  const waits = { maxMs: recollectionMaxMs, afterWordsMaxMs: recollectionMaxMs / 3 }
  const find = embedder && findByMeaning({ embedder, embeddings, logger, now, ...waits })
  const agent = chatAgent({
    llm,
    persona: await loadPersona(personaFile ?? undefined),
    contextTokens,
    recollect: recollection(stores.memories, logger, {
      maxMs: recollectionMaxMs,
      // Where there is meaning, a read may take two connections.
      maxAtOnce: Math.ceil(config.database.poolSize / (find === null ? 2 : 4)),
      find,
    }),
  })
  const serial = new Serial()
  const shares = { replies: stores.replies, log, serial, owner, contextMessages, now }
  const runner = new ReplyRunner({ ...shares, agent, logger, leaseMs: leaseSeconds * 1000 })
  const sweep = new ReplySweep({ ...shares, runner, logger, maxCalls: replyMaxAttempts })
  const chat = new ChatService({ ...shares, runner, concurrentSends, newId })
  const reader = new ConversationReader(stores.replies, log)
  const conversations = new ConversationService(stores.conversations, stores.messages, clock, (id, isCertain) =>
    chat.conversationDeleted(id, isCertain),
  )
  const background = new Background({
    runner,
    sweep,
    messageIndex: stores.messageIndex,
    indexIntervalMs,
    derivation: deriveMemories(config.llm, stores, logger, derivationTiming.quietSeconds),
    derivationIntervalMs: derivationTiming.intervalMs,
    embedding: embedder && new MessageEmbedding({ embeddings, embedder, logger, owner, now }),
    // The embedded database has one connection, which the making of an index would hold for minutes.
    vectorIndexes: embedder !== null && config.database.url !== null ? embeddings : null,
    logger,
  })
  let isDraining = false
  const checks = {
    database: { run: () => database.ping(), isOptional: false },
    accepting: {
      run: async () => {
        if (isDraining) throw new ChatError("unavailable", "This node is shutting down.")
      },
      isOptional: false,
    },
    ...(config.redisUrl !== null && { redis: { run: () => redisCheck(log), isOptional: true } }),
  }
  const { allowedOrigins, host, port, drainTimeoutMs } = config.http
  const expiry = new SessionExpiry(clock)
  const longAnswers = new LongAnswers()
  const door = { verifier, tickets: stores.tickets, expiry, connectionLimit: new ConnectionLimit() }
  const shared = {
    ...door,
    logger,
    conversations,
    memories: new MemoryBook(stores.memories, newId),
    search: new MessageSearch(stores.search),
    chat,
    reader,
    longAnswers,
    turns: stores.turns,
    allowedOrigins,
    newId,
  }
  const app = await createHttpServer({ ...shared, development, checks, page: pageOf(config) })
  const sockets = new SocketServer({ ...shared, loopbackOnly: development !== null })
  sockets.attach(app.server)

  return {
    async listen() {
      await app.listen({ host, port })
      background.start()
      const bound = app.server.address()
      return typeof bound === "object" && bound !== null ? { host: bound.address, port: bound.port } : { host, port }
    },
    async drain() {
      isDraining = true
      sockets.drain()
      longAnswers.refuseNew()
      await Promise.all([chat.drain(drainTimeoutMs), background.drain(drainTimeoutMs)])
      background.close()
      await Promise.all([sockets.close(), longAnswers.close()])
      expiry.close()
      await app.close()
      closeLog()
    },
  }
}

/** Null with the offline model, which derives nothing. */
function deriveMemories(
  { endpoint, model }: LlmConfig,
  stores: Stores,
  logger: Logger,
  quietSeconds: number,
): MemoryDerivation | null {
  if (endpoint === null) return null
  const structured = openaiStructuredModel({ ...endpoint, model, timeoutMs: derivation.timeoutMs })
  const { derivations } = stores
  return new MemoryDerivation({ ...derivation, quietSeconds, derivations, model: structured, logger, newId })
}

/** Null where no model is named, or the database cannot hold vectors: then what was said is found by its words only. */
async function openEmbedder(
  { endpoint, embeddingsModel: model }: LlmConfig,
  { embeddings }: Stores,
): Promise<Embedder | null> {
  if (endpoint === null || model === null) return null
  // A node comes up without its database; then this is told by trying.
  const isInUse = await embeddings.isInUse(model).catch(() => true)
  return isInUse ? openaiEmbedder({ ...endpoint, model, timeoutMs: embeddingTimeoutMs }) : null
}

/** Without Redis a node serves on, from the database. */
async function redisCheck({ trouble }: LiveReplyLog): Promise<void> {
  if (trouble !== null)
    throw new ChatError(
      "unavailable",
      "Redis does not answer, or does not store: readers on other nodes are served from the database.",
    )
}

function pageOf({ auth, llm }: Config): Parameters<typeof createHttpServer>[0]["page"] {
  const isSupabase = auth.kind === "supabase"
  return {
    folder: pageFolder(),
    config: {
      sign_in: auth.kind,
      model: llm.endpoint === null ? "offline" : "openai",
      supabase_url: isSupabase ? auth.url : null,
      supabase_publishable_key: isSupabase ? auth.publishableKey : null,
    },
  }
}

/** In a published package the page lies beside this file; in the repository it is where it was built. */
function pageFolder(): string {
  const published = fileURLToPath(new URL("page", import.meta.url))
  return existsSync(published) ? published : fileURLToPath(new URL("../../web/dist", import.meta.url))
}
