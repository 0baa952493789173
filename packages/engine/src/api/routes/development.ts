import { devToken, devTokenCreate, problem } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"

/** Issues tokens to anyone who asks: for one's own machine. */
export interface TokenIssuer {
  issue(userId?: string): Promise<{ access_token: string; user_id: string }>
}

export function developmentRoutes(signIn: TokenIssuer): FastifyPluginAsyncZod {
  return async (app) => {
    const schema = {
      tags: ["Development"],
      summary: "A token for any user; exists only under development sign-in",
      body: devTokenCreate.nullish(),
      response: { 200: devToken, "4xx": problem },
    }
    app.post("/dev/token", { schema }, async ({ body }, reply) => {
      void reply.header("cache-control", "no-store")
      return signIn.issue(body?.user_id)
    })
  }
}
