import { devToken, devTokenCreate, problem } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"

/** Issues tokens to anyone who asks: for one's own machine. */
export interface DevelopmentSignIn {
  issue(userId?: string): Promise<{ accessToken: string; userId: string }>
}

export function developmentRoutes(signIn: DevelopmentSignIn): FastifyPluginAsyncZod {
  return async (app) => {
    const schema = {
      tags: ["Development"],
      summary: "A token for any user; exists only under development sign-in",
      body: devTokenCreate.nullish(),
      response: { 200: devToken, "4xx": problem },
    }
    app.post("/dev/token", { schema }, async ({ body }, reply) => {
      const { accessToken, userId } = await signIn.issue(body?.user_id)
      void reply.header("cache-control", "no-store")
      return { access_token: accessToken, user_id: userId }
    })
  }
}
