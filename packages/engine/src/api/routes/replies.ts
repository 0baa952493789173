import { problem, retriedReply } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import type { TokenVerifier } from "../../ports.ts"
import type { ChatService } from "../../services/chat-service.ts"
import { parseId, requireUser } from "../authenticate.ts"

export function replyRoutes(chat: ChatService, verifier: TokenVerifier): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    const shared = { tags: ["Replies"], security: [{ bearer: [] }], params: z.object({ id: z.string() }) }
    const refused = { "4xx": problem, "5xx": problem }

    const stop = { ...shared, summary: "Stops a reply, running or queued; the text so far is kept" }
    app.post(
      "/replies/:id/stop",
      { schema: { ...stop, response: { 202: z.null(), ...refused } } },
      async ({ userId, params }, reply) => {
        await chat.stop(userId, parseId(params.id, "reply"))
        return reply.code(202).send(null)
      },
    )

    const retry = { ...shared, summary: "A new reply to the message of the newest ended one, which it supersedes" }
    app.post(
      "/replies/:id/retry",
      { schema: { ...retry, response: { 201: retriedReply, ...refused } } },
      async ({ userId, params }, reply) => {
        const { replyId, messageId } = await chat.retry(userId, parseId(params.id, "reply"))
        void reply.code(201)
        return { reply_id: replyId, message_id: messageId }
      },
    )
  }
}
