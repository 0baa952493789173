import {
  conversationCreate,
  conversationPage,
  conversationPageQuery,
  conversationResource as conversationSchema,
  conversationUpdate,
  problem,
  todayQuery,
} from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import type { TokenVerifier } from "../../ports.ts"
import type { ConversationService } from "../../services/conversation-service.ts"
import { parseId, requireUser } from "../authenticate.ts"
import { decodePlace, encodePlace } from "../place.ts"
import { conversationResource } from "../wire.ts"

const security = [{ bearer: [] }]
const tags = ["Conversations"]
const refused = { "4xx": problem, "5xx": problem }
const idParams = z.object({ id: z.string() })

export function conversationRoutes(conversations: ConversationService, verifier: TokenVerifier): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))

    const today = { tags, security, summary: "Today's conversation in the user's zone, made on first use" }
    app.get(
      "/conversations/today",
      { schema: { ...today, querystring: todayQuery, response: { 200: conversationSchema, ...refused } } },
      async ({ userId, query }) => conversationResource(await conversations.today(userId, query.tz)),
    )

    const list = { tags, security, summary: "The user's conversations, the one last spoken in first" }
    app.get(
      "/conversations",
      { schema: { ...list, querystring: conversationPageQuery, response: { 200: conversationPage, ...refused } } },
      async ({ userId, query }) => {
        const place = query.cursor === undefined ? undefined : decodePlace(query.cursor)
        const before = place && { updatedAt: place.time, id: place.id }
        const { items, next } = await conversations.list(userId, {
          limit: query.limit,
          before,
          empty: query.empty !== "false",
        })
        const nextCursor = next === null ? null : encodePlace({ time: next.updatedAt, id: next.id })
        return { data: items.map(conversationResource), next_cursor: nextCursor }
      },
    )

    const create = { tags, security, summary: "A conversation outside the calendar" }
    app.post(
      "/conversations",
      { schema: { ...create, body: conversationCreate.nullish(), response: { 201: conversationSchema, ...refused } } },
      async ({ userId, body }, reply) => {
        void reply.code(201)
        return conversationResource(await conversations.create(userId, body?.title ?? null))
      },
    )

    const one = { tags, security, params: idParams }
    app.get(
      "/conversations/:id",
      { schema: { ...one, summary: "One conversation", response: { 200: conversationSchema, ...refused } } },
      async ({ userId, params }) => conversationResource(await conversations.find(userId, conversationId(params))),
    )

    const rename = { ...one, summary: "Gives a conversation another title", body: conversationUpdate }
    app.patch(
      "/conversations/:id",
      { schema: { ...rename, response: { 200: conversationSchema, ...refused } } },
      async ({ userId, params, body }) =>
        conversationResource(await conversations.rename(userId, conversationId(params), body.title)),
    )

    const remove = { ...one, summary: "Deletes a conversation, its messages and replies" }
    app.delete(
      "/conversations/:id",
      { schema: { ...remove, response: { 204: z.null(), ...refused } } },
      async ({ userId, params }, reply) => {
        await conversations.delete(userId, conversationId(params))
        return reply.code(204).send(null)
      },
    )
  }
}

const conversationId = ({ id }: { id: string }) => parseId(id, "conversation")
