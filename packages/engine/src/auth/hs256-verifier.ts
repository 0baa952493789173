import { createSecretKey } from "node:crypto"
import type { TokenVerifier } from "../ports.ts"
import { type TokenRules, verifyToken } from "./verify-token.ts"

export interface Hs256Options extends Omit<TokenRules, "algorithms"> {
  /** At least 32 bytes; used as it is, not decoded. */
  secret: string
}

/** Verifies tokens signed with a shared secret, and no other kind. */
export function hs256Verifier(options: Hs256Options): TokenVerifier {
  const bytes = Buffer.from(options.secret, "utf8")
  if (bytes.length < 32) throw new RangeError("the secret must be at least 32 bytes long")
  const key = createSecretKey(bytes)
  const rules = { ...options, algorithms: ["HS256"] }
  return { verify: (token) => verifyToken(token, async () => key, rules) }
}
