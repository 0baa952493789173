import type { FastifyRequest } from "fastify"
import { ChatError } from "../core/errors.ts"
import type { TokenVerifier } from "../ports.ts"

declare module "fastify" {
  interface FastifyRequest {
    /** The signed-in user; set on every route that asks for sign-in. */
    userId: string
  }
}

const bearer = /^Bearer +([^\s]+)$/i

/** A hook that lets only signed-in users pass. @throws ChatError `unauthenticated`, `unavailable` */
export function requireUser(verifier: TokenVerifier): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const token = bearer.exec(request.headers.authorization ?? "")?.[1]
    if (token === undefined) throw new ChatError("unauthenticated", "A bearer token is needed.")
    request.userId = (await verifier.verify(token)).userId
  }
}

const uuidPattern = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** An id of the path, in lower case. A malformed one is answered like a missing one. @throws ChatError `not_found` */
export function parseId(text: string, what: string): string {
  if (!uuidPattern.test(text)) throw new ChatError("not_found", `There is no such ${what}.`)
  return text.toLowerCase()
}
