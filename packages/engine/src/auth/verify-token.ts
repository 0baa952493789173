import { type CryptoKey, errors, type JWTHeaderParameters, type JWTPayload, jwtVerify, type KeyObject } from "jose"
import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"
import type { VerifiedUser } from "../ports.ts"
import { readTokenHeader } from "./compact-token.ts"

export interface TokenRules {
  /** The only algorithms that this source of keys signs with. */
  algorithms: readonly string[]
  audience: string
  /** Undefined where nobody said who issues. */
  issuer: string | undefined
  clock: Clock
}

type Key = CryptoKey | KeyObject
type FindKey = (header: JWTHeaderParameters) => Promise<Key>

/** How far the issuer's clock may be off. */
const leewaySeconds = 10

/**
 * Checks a token against one source of keys, and what it claims.
 * @throws ChatError `unauthenticated`, and whatever ChatError `findKey` throws
 */
export async function verifyToken(token: string, findKey: FindKey, rules: TokenRules): Promise<VerifiedUser> {
  readTokenHeader(token)
  try {
    const { payload } = await jwtVerify(token, findKey, {
      algorithms: [...rules.algorithms],
      audience: rules.audience,
      ...(rules.issuer !== undefined && { issuer: rules.issuer }),
      clockTolerance: leewaySeconds,
      currentDate: new Date(rules.clock.now()),
    })
    return toVerifiedUser(payload)
  } catch (error) {
    if (error instanceof errors.JOSEError) throw translate(error)
    throw error
  }
}

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i
const maxDateMs = 8.64e15

function toVerifiedUser(payload: JWTPayload): VerifiedUser {
  const { exp, sub, role } = payload
  const expiresAt = Math.floor((exp ?? Number.NaN) * 1000)
  if (!(expiresAt <= maxDateMs)) throw refused("The token's exp claim was refused.")
  // Also what an API key of the project fails at: those of `anon` and `service_role` name no user.
  if (role !== "authenticated") throw refused("The token is not that of a signed-in user.")
  if (typeof sub !== "string" || !uuidPattern.test(sub)) throw refused("The token's sub claim is not a user's id.")
  return { userId: sub.toLowerCase(), expiresAt }
}

/** The sentence names the claim that failed, for whoever sets the engine up; never a value. */
function translate(error: errors.JOSEError): ChatError {
  if (error instanceof errors.JWTExpired) return refused("The token has expired.")
  if (error instanceof errors.JWTClaimValidationFailed) return refused(`The token's ${error.claim} claim was refused.`)
  if (error instanceof errors.JOSEAlgNotAllowed) return refused("The token is signed with an algorithm not accepted.")
  if (error instanceof errors.JWKSNoMatchingKey) return refused("The token is signed with an unknown key.")
  return refused("The token's signature was refused.")
}

function refused(sentence: string): ChatError {
  return new ChatError("unauthenticated", sentence)
}
