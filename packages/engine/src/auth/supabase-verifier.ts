import type { Clock } from "../core/clock.ts"
import type { SupabaseAuthConfig } from "../core/config.ts"
import { ChatError } from "../core/errors.ts"
import type { TokenVerifier } from "../ports.ts"
import { readTokenHeader } from "./compact-token.ts"
import { hs256Verifier } from "./hs256-verifier.ts"
import { jwksAlgorithms, jwksVerifier } from "./jwks-verifier.ts"
import { RemoteKeySet } from "./remote-key-set.ts"

/**
 * Verifies the access tokens of a Supabase project's users: by its published keys where its URL is known, by its legacy
 * secret where that is known. Which of the two is decided by the algorithm alone, so that a public key can never be
 * taken for a secret.
 */
export function supabaseVerifier(
  config: Pick<SupabaseAuthConfig, "url" | "jwtSecret" | "audience">,
  clock: Clock,
): TokenVerifier {
  const issuer = config.url === null ? undefined : `${config.url}/auth/v1`
  const rules = { audience: config.audience, issuer, clock }
  const byAlgorithm = new Map<string, TokenVerifier>()
  if (config.jwtSecret !== null) byAlgorithm.set("HS256", hs256Verifier({ ...rules, secret: config.jwtSecret }))
  if (issuer !== undefined) {
    const keys = new RemoteKeySet({ url: `${issuer}/.well-known/jwks.json`, clock })
    const published = jwksVerifier({ ...rules, keys })
    for (const algorithm of jwksAlgorithms) byAlgorithm.set(algorithm, published)
  }
  return {
    verify: async (token) => {
      const verifier = byAlgorithm.get(readTokenHeader(token).alg)
      if (verifier === undefined) {
        throw new ChatError("unauthenticated", "The token is signed with an algorithm not accepted.")
      }
      return verifier.verify(token)
    },
  }
}
