import { problem } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import type { TokenVerifier } from "../../ports.ts"
import type { ChatService } from "../../services/chat-service.ts"
import { parseId, requireUser } from "../authenticate.ts"

export function replyRoutes(chat: ChatService, verifier: TokenVerifier): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    const schema = {
      tags: ["Replies"],
      security: [{ bearer: [] }],
      summary: "Stops a reply, running or queued; the text so far is kept",
      params: z.object({ id: z.string() }),
      response: { 202: z.null(), "4xx": problem, "5xx": problem },
    }
    app.post("/replies/:id/stop", { schema }, async ({ userId, params }, reply) => {
      await chat.stop(userId, parseId(params.id, "reply"))
      return reply.code(202).send(null)
    })
  }
}
