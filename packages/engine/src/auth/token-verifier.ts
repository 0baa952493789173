import { ChatError } from "../core/errors.ts"
import type { TokenVerifier } from "../ports.ts"
import { type CompactToken, readCompactToken } from "./compact-token.ts"
import { type TokenRules, userOf } from "./token-claims.ts"

/**
 * One source of keys: checks that it signed the token.
 * @throws ChatError `unauthenticated`, or `unavailable` when its keys cannot be had
 */
export type SignatureCheck = (token: CompactToken) => void | Promise<void>

/**
 * Checks who signed a token, and then what it claims. Which source of keys is asked is decided by the algorithm alone, so
 * that a public key can never be taken for a secret.
 */
export function tokenVerifier(signatures: ReadonlyMap<string, SignatureCheck>, rules: TokenRules): TokenVerifier {
  return {
    verify: async (text) => {
      const token = readCompactToken(text)
      const check = signatures.get(token.alg)
      if (check === undefined) {
        throw new ChatError("unauthenticated", "The token is signed with an algorithm not accepted.")
      }
      await check(token)
      return userOf(token, rules)
    },
  }
}
