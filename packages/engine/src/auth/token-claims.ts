import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"
import type { VerifiedUser } from "../ports.ts"
import { type CompactToken, parseJsonObject } from "./compact-token.ts"

export interface TokenRules {
  audience: string
  /** Undefined where nobody said who issues. */
  issuer: string | undefined
  clock: Clock
}

/** How far the issuer's clock may be off. */
const leewaySeconds = 10
const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i
const maxDateMs = 8.64e15

/**
 * The user that a token speaks for, by its registered claims (RFC 7519 section 4.1) and Supabase's `role`. The sentence of
 * a refusal names the claim that failed, for whoever sets the engine up; never a value.
 * @throws ChatError `unauthenticated`
 */
export function userOf({ payload }: CompactToken, { audience, issuer, clock }: TokenRules): VerifiedUser {
  const claims = parseJsonObject(payload)
  if (claims === null) throw refused("The token's claims cannot be read.")
  const { iss, aud, exp, nbf, sub, role } = claims
  if (issuer !== undefined && iss !== issuer) throw refusedClaim("iss")
  if (aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) throw refusedClaim("aud")
  const nowSeconds = Math.floor(clock.now() / 1000)
  if (nbf !== undefined && !(typeof nbf === "number" && nbf <= nowSeconds + leewaySeconds)) throw refusedClaim("nbf")
  if (typeof exp !== "number" || exp * 1000 > maxDateMs) throw refusedClaim("exp")
  if (exp <= nowSeconds - leewaySeconds) throw refused("The token has expired.")
  // Also what an API key of the project fails at: those of `anon` and `service_role` name no user.
  if (role !== "authenticated") throw refused("The token is not that of a signed-in user.")
  if (typeof sub !== "string" || !uuidPattern.test(sub)) throw refused("The token's sub claim is not a user's id.")
  return { userId: sub.toLowerCase(), expiresAt: Math.floor(exp * 1000) }
}

function refusedClaim(name: string): ChatError {
  return refused(`The token's ${name} claim was refused.`)
}

function refused(sentence: string): ChatError {
  return new ChatError("unauthenticated", sentence)
}
