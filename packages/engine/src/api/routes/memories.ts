import {
  memoryCreate,
  memoryPage,
  memoryPageQuery,
  memoryResource as memorySchema,
  memorySettings,
  memoryUpdate,
  problem,
} from "@grizz/protocol"
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod"
import * as z from "zod"
import type { TokenVerifier } from "../../ports.ts"
import type { MemoryBook } from "../../services/memory-book.ts"
import { parseId, requireUser } from "../authenticate.ts"
import { decodePlace, encodePlace } from "../place.ts"
import { memoryResource } from "../wire.ts"

const security = [{ bearer: [] }]
const tags = ["Memory"]
const refused = { "4xx": problem, "5xx": problem }
const idParams = z.object({ id: z.string() })

export function memoryRoutes(memories: MemoryBook, verifier: TokenVerifier): FastifyPluginAsyncZod {
  return async (app) => {
    app.addHook("onRequest", requireUser(verifier))
    app.addHook("onSend", async (_, reply) => void reply.header("cache-control", "no-store"))

    const list = { tags, security, summary: "What is remembered of the user, newest first" }
    app.get(
      "/memories",
      { schema: { ...list, querystring: memoryPageQuery, response: { 200: memoryPage, ...refused } } },
      async ({ userId, query: { limit, cursor, q, superseded } }) => {
        const place = cursor === undefined ? undefined : decodePlace(cursor)
        const before = place && { createdAt: place.time, id: place.id }
        const request = { limit, before, text: q, superseded: superseded === "true" }
        const { items, next } = await memories.list(userId, request)
        const nextCursor = next === null ? null : encodePlace({ time: next.createdAt, id: next.id })
        return { data: items.map(memoryResource), next_cursor: nextCursor }
      },
    )

    const create = { tags, security, summary: "Remembers a note", body: memoryCreate }
    app.post(
      "/memories",
      { schema: { ...create, response: { 201: memorySchema, ...refused } } },
      async ({ userId, body }, reply) => {
        void reply.code(201)
        return memoryResource(await memories.remember(userId, body.text, body.pinned))
      },
    )

    const one = { tags, security, params: idParams }
    const update = { ...one, summary: "Corrects a memory by one that supersedes it, or pins it", body: memoryUpdate }
    app.patch(
      "/memories/:id",
      { schema: { ...update, response: { 200: memorySchema, ...refused } } },
      async ({ userId, params, body: { text, pinned } }) =>
        memoryResource(await memories.correct(userId, memoryId(params), text ?? null, pinned ?? null)),
    )

    const remove = { ...one, summary: "Forgets a memory and all that it superseded" }
    app.delete(
      "/memories/:id",
      { schema: { ...remove, response: { 204: z.null(), ...refused } } },
      async ({ userId, params }, reply) => {
        await memories.forget(userId, memoryId(params))
        return reply.code(204).send(null)
      },
    )

    const read = { tags, security, summary: "Whether the memory is paused" }
    app.get(
      "/memories/settings",
      { schema: { ...read, response: { 200: memorySettings, ...refused } } },
      async ({ userId }) => ({
        paused: await memories.isPaused(userId),
      }),
    )

    const settings = { tags, security, summary: "Pauses the memory, or lets it go on", body: memorySettings }
    app.patch(
      "/memories/settings",
      { schema: { ...settings, response: { 200: memorySettings, ...refused } } },
      async ({ userId, body }) => {
        await memories.setPaused(userId, body.paused)
        return { paused: body.paused }
      },
    )
  }
}

const memoryId = ({ id }: { id: string }) => parseId(id, "memory")
