import { eventsQuery, problem } from "@grizz/protocol"
import type { FastifyReply, FastifyRequest } from "fastify"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import type { ConversationReader } from "../../services/conversation-reader.ts"
import { authenticate, type Door, parseId, setUser } from "../authenticate.ts"
import type { ConnectionLimit } from "../connection-limit.ts"
import type { Session, SessionExpiry } from "../session.ts"
import { ConversationStream } from "../sse/conversation-stream.ts"
import { EventStream } from "../sse/event-stream.ts"
import type { LongAnswers } from "../sse/long-answers.ts"

export interface EventRouteOptions extends Door {
  reader: ConversationReader
  expiry: SessionExpiry
  connectionLimit: ConnectionLimit
  longAnswers: LongAnswers
}

const ticketQuery = z.object({ ticket: z.string().optional().catch(undefined) })

export function eventRoutes(options: EventRouteOptions): FastifyPluginAsyncZod {
  const { reader, expiry, connectionLimit, longAnswers } = options

  async function signIn(request: FastifyRequest): Promise<void> {
    const { ticket } = ticketQuery.parse(request.query)
    const { authorization } = request.headers
    setUser(request, await authenticate({ authorization, ticket }, options))
  }

  /** Leaves a stream open, or throws while there is still something else to answer. */
  async function follow(session: Session, after: string | null, reply: FastifyReply): Promise<void> {
    const stream = new EventStream(reply)
    longAnswers.add(stream)
    const leave = connectionLimit.take(session.userId)
    stream.response.once("close", leave)
    const sink = new ConversationStream(session, stream)
    stream.following = await reader.follow(session.userId, session.conversationId, after, sink)
    stream.response.once("close", expiry.watch(sink))
  }

  return async (app) => {
    app.addHook("onRequest", signIn)
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))
    const schema = {
      tags: ["Messages"],
      security: [{ bearer: [] }],
      summary: "The conversation's events as server-sent events, from a cursor on; see PROTOCOL.md",
      params: z.object({ id: z.string() }),
      querystring: eventsQuery,
      response: {
        200: { description: "Events", content: { "text/event-stream": { schema: z.string() } } },
        "4xx": problem,
        "5xx": problem,
      },
    }
    // Without an answer to HEAD, which would have no end.
    app.get("/conversations/:id/events", { schema, exposeHeadRoute: false }, async (request, reply) => {
      const { userId, signedInUntil, params, query, headers } = request
      const session = expiry.open({ userId, expiresAt: signedInUntil }, parseId(params.id, "conversation"))
      const lastEventId = headers["last-event-id"]
      // A browser that comes back by itself repeats its URL, so the header is the newer one.
      const after = (Array.isArray(lastEventId) ? lastEventId[0] : lastEventId) ?? query.after ?? null
      await follow(session, after, reply)
      return reply
    })
  }
}
