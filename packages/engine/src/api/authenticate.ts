import type { FastifyRequest } from "fastify"
import { ChatError } from "../core/errors.ts"
import type { TicketStore, TokenVerifier, VerifiedUser } from "../ports.ts"

declare module "fastify" {
  interface FastifyRequest {
    /** The signed-in user; set on every route that asks for sign-in. */
    userId: string
    /** Until when the token is good, in ms since the Unix epoch; set with `userId`. */
    signedInUntil: number
  }
}

const bearer = /^Bearer +([^\s]+)$/i

/** What a request may prove its user with. */
export interface Credentials {
  /** The header. */
  authorization: string | undefined
  ticket?: string | null | undefined
  /** A token in the URL: for the socket alone. */
  token?: string | null | undefined
}

/** Who may say who somebody is. */
export interface Door {
  verifier: TokenVerifier
  tickets: TicketStore
}

/** By the first credential found: the header, the ticket, the token. @throws ChatError `unauthenticated`, `unavailable` */
export async function authenticate(credentials: Credentials, { verifier, tickets }: Door): Promise<VerifiedUser> {
  const inHeader = bearer.exec(credentials.authorization ?? "")?.[1]
  if (inHeader !== undefined) return verifier.verify(inHeader)
  const { ticket, token } = credentials
  if (ticket !== undefined && ticket !== null) {
    const user = await tickets.redeem(ticket)
    if (user === null) throw new ChatError("unauthenticated", "The ticket is not valid, or was used.")
    return user
  }
  if (token !== undefined && token !== null) return verifier.verify(token)
  throw new ChatError("unauthenticated", "A bearer token is needed.")
}

/** A hook that lets only signed-in users pass, by their token. @throws ChatError `unauthenticated`, `unavailable` */
export function requireUser(verifier: TokenVerifier): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const token = bearer.exec(request.headers.authorization ?? "")?.[1]
    if (token === undefined) throw new ChatError("unauthenticated", "A bearer token is needed.")
    setUser(request, await verifier.verify(token))
  }
}

export function setUser(request: FastifyRequest, { userId, expiresAt }: VerifiedUser): void {
  request.userId = userId
  request.signedInUntil = expiresAt
}

const uuidPattern = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

/** An id of the path, in lower case. A malformed one is answered like a missing one. @throws ChatError `not_found` */
export function parseId(text: string, what: string): string {
  if (!uuidPattern.test(text)) throw new ChatError("not_found", `There is no such ${what}.`)
  return text.toLowerCase()
}
