import type { Clock } from "../core/clock.ts"
import type { SupabaseAuthConfig } from "../core/config.ts"
import type { TokenVerifier } from "../ports.ts"
import { hs256Signatures } from "./hs256-verifier.ts"
import { jwksAlgorithms, publishedSignatures } from "./jwks-verifier.ts"
import { RemoteKeySet } from "./remote-key-set.ts"
import { type SignatureCheck, tokenVerifier } from "./token-verifier.ts"

/**
 * Verifies the access tokens of a Supabase project's users: by its published keys where its URL is known, by its legacy
 * secret where that is known.
 */
export function supabaseVerifier(
  config: Pick<SupabaseAuthConfig, "url" | "jwtSecret" | "audience">,
  clock: Clock,
): TokenVerifier {
  const issuer = config.url === null ? undefined : `${config.url}/auth/v1`
  const signatures = new Map<string, SignatureCheck>()
  if (config.jwtSecret !== null) signatures.set("HS256", hs256Signatures(config.jwtSecret))
  if (issuer !== undefined) {
    const keys = new RemoteKeySet({ url: `${issuer}/.well-known/jwks.json`, clock })
    const published = publishedSignatures(keys)
    for (const algorithm of jwksAlgorithms) signatures.set(algorithm, published)
  }
  return tokenVerifier(signatures, { audience: config.audience, issuer, clock })
}
