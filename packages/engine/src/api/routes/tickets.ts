import { problem, ticket } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import { requireUser } from "../authenticate.ts"
import type { Door } from "../authenticate.ts"

export function ticketRoutes({ verifier, tickets }: Door): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    const schema = {
      tags: ["Sign-in"],
      security: [{ bearer: [] }],
      summary: "A ticket that signs in one connection, within 30 s",
      response: { 201: ticket, "4xx": problem, "5xx": problem },
    }
    app.post("/ws/tickets", { schema }, async ({ userId, signedInUntil }, reply) => {
      const issued = await tickets.issue({ userId, expiresAt: signedInUntil })
      void reply.code(201).header("cache-control", "no-store")
      return { ticket: issued.ticket, expires_at: issued.expiresAt }
    })
  }
}
