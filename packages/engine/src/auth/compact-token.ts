import { ChatError } from "../core/errors.ts"

const maxTokenLength = 8192

export interface TokenHeader {
  alg: string
  kid: string | undefined
}

// A header may say how a token was signed, never where the key is to be had, nor which rules to read it by.
const refusedMembers = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip"]

/**
 * Reads the header of a signed token in compact form, RFC 7515 section 7.1, and verifies nothing. Stricter than `jose`,
 * which lets white space and non-canonical base64url through, so that one token has exactly one spelling.
 * @throws ChatError `unauthenticated`
 */
export function readTokenHeader(token: string): TokenHeader {
  if (token.length > maxTokenLength) throw refused("The token is too long.")
  const parts = token.split(".")
  if (parts.length !== 3 || !parts.every(isCanonicalBase64Url)) {
    throw refused("The token is not a signed JWT in compact form.")
  }
  const header = parseObject(parts[0] ?? "")
  if (header === null || typeof header.alg !== "string") throw refused("The token's header cannot be read.")
  if (refusedMembers.some((member) => Object.hasOwn(header, member))) {
    throw refused("The token's header has a member that is not accepted.")
  }
  if (header.typ !== undefined && !isJwtType(header.typ)) throw refused("The token is not a JWT.")
  if (header.kid !== undefined && typeof header.kid !== "string") throw refused("The token's key id cannot be read.")
  return { alg: header.alg, kid: header.kid }
}

function isJwtType(typ: unknown): boolean {
  return typeof typ === "string" && typ.toUpperCase() === "JWT"
}

function isCanonicalBase64Url(part: string): boolean {
  return /^[\w-]+$/.test(part) && Buffer.from(part, "base64url").toString("base64url") === part
}

function parseObject(part: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(part, "base64url")))
    return parsed !== null && typeof parsed === "object" && !Array.isArray(parsed) ? { ...parsed } : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

function refused(sentence: string): ChatError {
  return new ChatError("unauthenticated", sentence)
}
