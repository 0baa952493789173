import { health, readiness } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import { publicError } from "../problems.ts"

/** What the engine needs, by name; a check rejects with what is wrong. */
export type DependencyChecks = Record<string, () => Promise<void>>

export function healthRoutes(checks: DependencyChecks): FastifyPluginAsyncZod {
  return async (app) => {
    const summary = "Whether the process is alive; no I/O"
    app.get("/health", { schema: { tags: ["Operation"], summary, response: { 200: health } } }, async (_, reply) => {
      void reply.header("cache-control", "no-store")
      return { status: "ok" as const }
    })

    const schema = {
      tags: ["Operation"],
      summary: "Whether this node can serve; one entry for each dependency",
      response: { 200: readiness, 503: readiness },
    }
    app.get("/ready", { schema }, async (_, reply) => {
      const results = await Promise.all(
        Object.entries(checks).map(async ([name, check]) => [name, await run(check)] as const),
      )
      const isReady = results.every(([, result]) => result.status === "ok")
      void reply.header("cache-control", "no-store").code(isReady ? 200 : 503)
      return { status: isReady ? ("ready" as const) : ("unavailable" as const), checks: Object.fromEntries(results) }
    })
  }
}

async function run(check: () => Promise<void>): Promise<{ status: "ok" | "failed"; detail?: string }> {
  try {
    await check()
    return { status: "ok" }
  } catch (error) {
    return { status: "failed", detail: publicError(error).message }
  }
}
