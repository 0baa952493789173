import type { TokenVerifier } from "../ports.ts"
import type { RemoteKeySet } from "./remote-key-set.ts"
import { type TokenRules, verifyToken } from "./verify-token.ts"

export const jwksAlgorithms: readonly string[] = ["ES256", "RS256"]

export interface JwksOptions extends Omit<TokenRules, "algorithms"> {
  keys: RemoteKeySet
}

/** Verifies tokens signed with one of the issuer's published keys, and no other kind. */
export function jwksVerifier(options: JwksOptions): TokenVerifier {
  const rules = { ...options, algorithms: jwksAlgorithms }
  return { verify: (token) => verifyToken(token, (header) => options.keys.find(header), rules) }
}
