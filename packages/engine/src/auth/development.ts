import { randomUUID } from "node:crypto"
import { SignJWT } from "jose"
import type { Clock } from "../core/clock.ts"
import type { TokenVerifier } from "../ports.ts"
import { hs256Verifier } from "./hs256-verifier.ts"

export interface DevelopmentSignIn {
  verifier: TokenVerifier
  /**
   * A token for this user, or for a new one.
   * @param userId a UUID
   * @param ttlSeconds default 12 hours
   */
  issue: (userId?: string, ttlSeconds?: number) => Promise<{ access_token: string; user_id: string }>
}

const issuer = "grizz-development"
const audience = "authenticated"

/** Sign-in as anyone, for a machine that nobody else can reach. Its tokens claim what Supabase's do. */
export function developmentSignIn(options: { secret: string; clock: Clock }): DevelopmentSignIn {
  const { secret, clock } = options
  const key = new TextEncoder().encode(secret)
  return {
    verifier: hs256Verifier({ secret, clock, issuer, audience }),
    issue: async (userId = randomUUID(), ttlSeconds = 12 * 60 * 60) => {
      const nowSeconds = Math.floor(clock.now() / 1000)
      const token = new SignJWT({ role: "authenticated" })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(userId.toLowerCase())
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + ttlSeconds)
      return { access_token: await token.sign(key), user_id: userId.toLowerCase() }
    },
  }
}
