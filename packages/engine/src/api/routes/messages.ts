import { messagePage, messagePageQuery, problem } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import { ChatError } from "../../core/errors.ts"
import type { TokenVerifier } from "../../ports.ts"
import type { ChatService } from "../../services/chat-service.ts"
import type { ConversationService } from "../../services/conversation-service.ts"
import { parseId, requireUser } from "../authenticate.ts"
import { messageResource } from "../wire.ts"

export function messageRoutes(
  conversations: ConversationService,
  chat: ChatService,
  verifier: TokenVerifier,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))

    const schema = {
      tags: ["Messages"],
      security: [{ bearer: [] }],
      summary: "History: the newest page, the one before a cursor, or the one around a message; ascending by position",
      params: z.object({ id: z.string() }),
      querystring: messagePageQuery,
      response: { 200: messagePage, "4xx": problem, "5xx": problem },
    }
    app.get("/conversations/:id/messages", { schema }, async ({ userId, params, query }) => {
      const id = parseId(params.id, "conversation")
      const request = { limit: query.limit, superseded: query.superseded === "true" }
      const { items, next } = await (query.around === undefined
        ? conversations.history(userId, id, { ...request, before: parseBefore(query.before) })
        : conversations.historyAround(userId, id, { ...request, messageId: parseId(query.around, "message") }))
      return { data: items.map(messageResource), next_cursor: next === null ? null : String(next) }
    })

    const erase = {
      tags: ["Messages"],
      security: [{ bearer: [] }],
      summary: "Erases a message: its text is nowhere any more",
      params: z.object({ id: z.string(), message_id: z.string() }),
      response: { 204: z.null(), "4xx": problem, "5xx": problem },
    }
    app.delete("/conversations/:id/messages/:message_id", { schema: erase }, async ({ userId, params }, reply) => {
      const conversationId = parseId(params.id, "message")
      await chat.eraseMessage(userId, conversationId, parseId(params.message_id, "message"))
      return reply.code(204).send(null)
    })
  }
}

/** @throws ChatError `invalid_request` for what no page gave as its `next_cursor` */
function parseBefore(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  if (!/^\d{1,9}$/.test(cursor)) {
    throw new ChatError("invalid_request", "before: must be the next_cursor of an earlier page.")
  }
  return Number(cursor)
}
