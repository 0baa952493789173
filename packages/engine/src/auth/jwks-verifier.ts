import { compactVerify, errors } from "jose"
import { ChatError } from "../core/errors.ts"
import type { TokenVerifier } from "../ports.ts"
import type { RemoteKeySet } from "./remote-key-set.ts"
import type { TokenRules } from "./token-claims.ts"
import { type SignatureCheck, tokenVerifier } from "./token-verifier.ts"

export const jwksAlgorithms: readonly string[] = ["ES256", "RS256"]

export interface JwksOptions extends TokenRules {
  keys: RemoteKeySet
}

/** Signatures by the issuer's published keys. */
export function publishedSignatures(keys: RemoteKeySet): SignatureCheck {
  return async ({ text }) => {
    try {
      await compactVerify(text, (header) => keys.find(header), { algorithms: [...jwksAlgorithms] })
    } catch (error) {
      if (error instanceof errors.JOSEError) throw translate(error)
      throw error
    }
  }
}

/** Verifies tokens signed with one of the issuer's published keys, and no other kind. */
export function jwksVerifier({ keys, ...rules }: JwksOptions): TokenVerifier {
  const published = publishedSignatures(keys)
  return tokenVerifier(new Map(jwksAlgorithms.map((algorithm) => [algorithm, published])), rules)
}

function translate(error: errors.JOSEError): ChatError {
  const isUnknown = error instanceof errors.JWKSNoMatchingKey
  const sentence = isUnknown ? "The token is signed with an unknown key." : "The token's signature was refused."
  return new ChatError("unauthenticated", sentence)
}
