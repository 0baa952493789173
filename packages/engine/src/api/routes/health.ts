import { health, readiness } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import { publicError } from "../problems.ts"

/** What the engine depends on, by name. */
export type DependencyChecks = Record<string, DependencyCheck>

export interface DependencyCheck {
  /** Rejects with what is wrong. */
  run: () => Promise<void>
  /** Whether this node can serve without it. */
  isOptional: boolean
}

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
        Object.entries(checks).map(async ([name, check]) => [name, await verdict(check)] as const),
      )
      const isReady = results.every(([name, { status }]) => status === "ok" || checks[name]!.isOptional)
      void reply.header("cache-control", "no-store").code(isReady ? 200 : 503)
      return { status: isReady ? ("ready" as const) : ("unavailable" as const), checks: Object.fromEntries(results) }
    })
  }
}

async function verdict({ run }: DependencyCheck): Promise<{ status: "ok" | "failed"; detail?: string }> {
  try {
    await run()
    return { status: "ok" }
  } catch (error) {
    return { status: "failed", detail: publicError(error).message }
  }
}
