import { ChatError } from "../core/errors.ts"

const maxTokenLength = 8192
const utf8 = new TextDecoder("utf-8", { fatal: true })

/** A signed token, read and not verified. */
export interface CompactToken {
  readonly text: string
  readonly alg: string
  /** Its header and payload as they were signed. */
  readonly signedPart: string
  /** Base64url. */
  readonly payload: string
  readonly signature: Buffer
}

// A header may say how a token was signed, never where the key is to be had, nor which rules to read it by.
const refusedMembers = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip"]

/**
 * Reads a signed token in compact form, RFC 7515 section 7.1, and verifies nothing. Stricter than `jose`, which lets white
 * space and non-canonical base64url through, so that one token has exactly one spelling.
 * @throws ChatError `unauthenticated`
 */
export function readCompactToken(text: string): CompactToken {
  if (text.length > maxTokenLength) throw refused("The token is too long.")
  const parts = text.split(".")
  if (parts.length !== 3 || !parts.every(isCanonicalBase64Url)) {
    throw refused("The token is not a signed JWT in compact form.")
  }
  const [head = "", payload = "", signature = ""] = parts
  const header = parseJsonObject(head)
  if (header === null || typeof header.alg !== "string") throw refused("The token's header cannot be read.")
  if (refusedMembers.some((member) => Object.hasOwn(header, member))) {
    throw refused("The token's header has a member that is not accepted.")
  }
  if (header.typ !== undefined && !isJwtType(header.typ)) throw refused("The token is not a JWT.")
  if (header.kid !== undefined && typeof header.kid !== "string") throw refused("The token's key id cannot be read.")
  const signedPart = text.slice(0, head.length + 1 + payload.length)
  return { text, alg: header.alg, signedPart, payload, signature: Buffer.from(signature, "base64url") }
}

function isJwtType(typ: unknown): boolean {
  return typeof typ === "string" && typ.toUpperCase() === "JWT"
}

function isCanonicalBase64Url(part: string): boolean {
  return /^[\w-]+$/.test(part) && Buffer.from(part, "base64url").toString("base64url") === part
}

/** Null for base64url that is not a JSON object in UTF-8. */
export function parseJsonObject(part: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(utf8.decode(Buffer.from(part, "base64url")))
    return parsed !== null && typeof parsed === "object" && !Array.isArray(parsed) ? { ...parsed } : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

function refused(sentence: string): ChatError {
  return new ChatError("unauthenticated", sentence)
}
