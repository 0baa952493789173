import { existsSync } from "node:fs"
import { join } from "node:path"
import serveStatic from "@fastify/static"
import { type PageConfig, pageConfig } from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"

export interface Page {
  /** Folder of the built page. */
  folder: string
  config: PageConfig
}

/** The chat page, and what it needs to know before sign-in. Without a built page only the latter is served. */
export function pageRoutes({ folder, config }: Page): FastifyPluginAsyncZod {
  return async (app) => {
    const schema = { tags: ["Page"], summary: "How to sign in, and which model answers", response: { 200: pageConfig } }
    app.get("/app/config", { schema }, async (_, reply) => {
      void reply.header("cache-control", "no-store")
      return config
    })
    if (!existsSync(join(folder, "index.html"))) return
    await app.register(serveStatic, {
      root: folder,
      wildcard: false,
      cacheControl: false,
      // Names under assets/ carry a hash of their content; everything else is asked for anew.
      setHeaders: (reply, path) => {
        const isHashed = path.startsWith(join(folder, "assets"))
        void reply.header("cache-control", isHashed ? "public, max-age=31536000, immutable" : "no-cache")
      },
    })
  }
}
