import { problem, searchPage, searchPageQuery } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import type { TokenVerifier } from "../../ports.ts"
import type { MessageSearch } from "../../services/message-search.ts"
import { requireUser } from "../authenticate.ts"
import { decodePlace, encodePlace } from "../place.ts"
import { messageResource } from "../wire.ts"

export function searchRoutes(search: MessageSearch, verifier: TokenVerifier): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))

    const schema = {
      tags: ["Messages"],
      security: [{ bearer: [] }],
      summary: "The user's messages that have every word of a query, newest first",
      querystring: searchPageQuery,
      response: { 200: searchPage, "4xx": problem, "5xx": problem },
    }
    app.get("/search", { schema }, async ({ userId, query: { q, limit, cursor } }) => {
      const place = cursor === undefined ? undefined : decodePlace(cursor)
      const before = place && { createdAt: place.time, id: place.id }
      const { items, next } = await search.find(userId, q, { limit, before })
      return {
        data: items.map(({ message, conversation: { id, title, day }, highlights }) => ({
          message: messageResource(message),
          conversation: { id, title, conv_day: day },
          highlights,
        })),
        next_cursor: next === null ? null : encodePlace({ time: next.createdAt, id: next.id }),
      }
    })
  }
}
