import cors from "@fastify/cors"
import helmet from "@fastify/helmet"
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from "fastify"
import { hasZodFastifySchemaValidationErrors, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod"
import { ChatError } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import { redactUrl } from "../core/redact.ts"
import type { ConversationService } from "../services/conversation-service.ts"
import type { MemoryBook } from "../services/memory-book.ts"
import type { MessageSearch } from "../services/message-search.ts"
import { isLoopbackHost } from "../core/loopback.ts"
import { describeIssues, problemOf } from "./problems.ts"
import { conversationRoutes } from "./routes/conversations.ts"
import { addDescription } from "./routes/description.ts"
import { developmentRoutes, type TokenIssuer } from "./routes/development.ts"
import { type EventRouteOptions, eventRoutes } from "./routes/events.ts"
import { type DependencyChecks, healthRoutes } from "./routes/health.ts"
import { memoryRoutes } from "./routes/memories.ts"
import { messageRoutes } from "./routes/messages.ts"
import { type Page, pageRoutes } from "./routes/page.ts"
import { replyRoutes } from "./routes/replies.ts"
import { searchRoutes } from "./routes/search.ts"
import { ticketRoutes } from "./routes/tickets.ts"
import { type TurnRouteOptions, turnRoutes } from "./routes/turns.ts"

export interface ApiOptions extends EventRouteOptions, TurnRouteOptions {
  logger: Logger
  conversations: ConversationService
  memories: MemoryBook
  search: MessageSearch
  /** Present only under development sign-in; then requests with a foreign `Host` are refused. */
  development: TokenIssuer | null
  /** Exact origins, beside the server's own, whose pages may call. */
  allowedOrigins: readonly string[]
  checks: DependencyChecks
  page: Page
}

const bodyMaxBytes = 256 * 1024

/** The HTTP side: routes, errors, headers and the log line of each request. The WebSocket is `SocketServer`'s. */
export async function createHttpServer(options: ApiOptions): Promise<FastifyInstance> {
  const { logger, development, allowedOrigins } = options
  const loggerInstance: FastifyBaseLogger = logger
  const app = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "request_id" }),
    bodyLimit: bodyMaxBytes,
    return503OnClosing: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new ChatError("not_found", "There is nothing here."), request, reply),
  )
  app.addHook("onResponse", logRequest)
  if (development !== null) app.addHook("onRequest", refuseForeignHost)
  await app.register(helmet, {
    contentSecurityPolicy: contentSecurityPolicyOf(options.page),
    crossOriginEmbedderPolicy: false,
    strictTransportSecurity: false,
  })
  if (allowedOrigins.length > 0) {
    const methods = ["GET", "POST", "PATCH", "DELETE"]
    await app.register(cors, {
      origin: [...allowedOrigins],
      methods,
      allowedHeaders: ["authorization", "content-type", "last-event-id"],
    })
  }
  await addDescription(app)
  await app.register(healthRoutes(options.checks))
  await app.register(conversationRoutes(options.conversations, options.verifier))
  await app.register(messageRoutes(options.conversations, options.chat, options.verifier))
  await app.register(turnRoutes(options))
  await app.register(eventRoutes(options))
  await app.register(ticketRoutes(options))
  await app.register(memoryRoutes(options.memories, options.verifier))
  await app.register(searchRoutes(options.search, options.verifier))
  await app.register(replyRoutes(options.chat, options.verifier))
  if (development !== null) await app.register(developmentRoutes(development))
  await app.register(pageRoutes(options.page))
  return app
}

/** The page calls its own engine (a WebSocket to it counts as `'self'`), and where users sign in. */
function contentSecurityPolicyOf({ config }: Page) {
  const signIn = config.supabase_url === null ? [] : [new URL(config.supabase_url).origin]
  return {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", "data:"],
      connectSrc: ["'self'", ...signIn],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  }
}

/** Under development sign-in anyone who reaches the server may sign in, so a page that rebinds its DNS name must not. */
async function refuseForeignHost(request: FastifyRequest): Promise<void> {
  if (isLoopbackHost(request.headers.host ?? "")) return
  throw new ChatError("invalid_request", "Under development sign-in the engine answers only to a loopback host name.")
}

async function logRequest(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const level = reply.statusCode >= 500 ? "warn" : request.routeOptions.url === "/health" ? "debug" : "info"
  const durationMs = Math.round(reply.elapsedTime)
  const { method, url } = request
  request.log[level]({ method, url: redactUrl(url), status: reply.statusCode, duration_ms: durationMs }, "request")
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(translate(error))
  if (problem.code === "internal") request.log.error({ err: error }, "request failed unexpectedly")
  if (problem.code === "unauthenticated") void reply.header("www-authenticate", "Bearer")
  if (problem.code === "unavailable") void reply.header("retry-after", "1")
  return reply
    .code(problem.status)
    .header("content-type", "application/problem+json; charset=utf-8")
    .header("cache-control", "no-store")
    .send(JSON.stringify(problem))
}

/** Fastify's own refusals (a body too large, broken JSON, an unknown media type) in the engine's terms. */
function translate(error: unknown): unknown {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.map(({ instancePath, message }) => ({
      path: instancePath.split("/").filter(Boolean),
      message: message ?? "is not valid",
    }))
    return new ChatError("invalid_request", describeIssues(issues))
  }
  if (error instanceof ChatError || !(error instanceof Error) || !("statusCode" in error)) return error
  if (error.statusCode === 413) {
    return new ChatError("too_large", `The body must not be larger than ${bodyMaxBytes} bytes.`)
  }
  if (typeof error.statusCode === "number" && error.statusCode >= 400 && error.statusCode < 500) {
    return new ChatError("invalid_request", error.message)
  }
  return error
}
