export interface OriginCheck {
  /** The request's `Origin`; a client that is no browser sends none. */
  origin: string | undefined
  /** The request's `Host`. */
  host: string | undefined
  /** Exact origins beside the server's own. */
  allowedOrigins: readonly string[]
  /** The request is known to have come over TLS: a page that did not is then not of the same origin. */
  secure?: boolean
}

/**
 * Whether a page of this origin may open a socket, or read an answer. Cookies play no part here, but a page that the
 * user merely visits must not reach an engine on their machine, or one that trusts their network.
 */
export function isOriginAllowed(check: OriginCheck): boolean {
  if (check.origin === undefined) return true
  const origin = URL.parse(check.origin)
  // Browsers send the canonical spelling alone: other case, a default port, user info, a path or a list is no browser's.
  if (origin === null || `${origin.protocol}//${origin.host}` !== check.origin || origin.host === "") return false
  return check.allowedOrigins.includes(check.origin) || isSameOrigin(origin, check)
}

/** A proxy may have ended TLS, so the scheme is the page's word; the host, with its default port, must be the same. */
function isSameOrigin(origin: URL, { host, secure }: OriginCheck): boolean {
  if (origin.protocol !== "https:" && (origin.protocol !== "http:" || secure === true)) return false
  if (host === undefined || !/^[\w.-]+(?::\d{1,5})?$|^\[[\da-f:.]+\](?::\d{1,5})?$/i.test(host)) return false
  return URL.parse(`${origin.protocol}//${host}`)?.host === origin.host
}
