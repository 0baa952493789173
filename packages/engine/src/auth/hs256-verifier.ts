import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto"
import { ChatError } from "../core/errors.ts"
import type { TokenVerifier } from "../ports.ts"
import type { TokenRules } from "./token-claims.ts"
import { type SignatureCheck, tokenVerifier } from "./token-verifier.ts"

export interface Hs256Options extends TokenRules {
  /** At least 32 bytes; used as it is, not decoded. */
  secret: string
}

/** Signatures by a shared secret. node:crypto is ten times cheaper here than WebCrypto, and every connect needs one. */
export function hs256Signatures(secret: string): SignatureCheck {
  const bytes = Buffer.from(secret, "utf8")
  if (bytes.length < 32) throw new RangeError("the secret must be at least 32 bytes long")
  const key = createSecretKey(bytes)
  return ({ signedPart, signature }) => {
    const expected = createHmac("sha256", key).update(signedPart).digest()
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new ChatError("unauthenticated", "The token's signature was refused.")
    }
  }
}

/** Verifies tokens signed with a shared secret, and no other kind. */
export function hs256Verifier({ secret, ...rules }: Hs256Options): TokenVerifier {
  return tokenVerifier(new Map([["HS256", hs256Signatures(secret)]]), rules)
}
