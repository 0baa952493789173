import { developmentToken, type TokenProvider } from "@grizz/client"

/** Who is signed in, however that was done. */
export interface Account {
  /** Null where only the token knows. */
  userId: string | null
  token: TokenProvider
  signOut: () => void
}

/** A session that this page keeps itself. Development users get a new token when theirs is refused; others cannot. */
export interface Session {
  kind: "development" | "pasted"
  accessToken: string
  /** Known for development users only. */
  userId: string | null
}

const storageKey = "grizz.session"

export function storedSession(): Session | null {
  const stored = localStorage.getItem(storageKey)
  if (stored === null) return null
  try {
    const session: unknown = JSON.parse(stored)
    return isSession(session) ? session : null
  } catch {
    return null
  }
}

export function storeSession(session: Session | null): void {
  if (session === null) localStorage.removeItem(storageKey)
  else localStorage.setItem(storageKey, JSON.stringify(session))
}

/** A new development user, or a new token for this one. @throws GrizzError */
export async function signInForDevelopment(url: string, userId?: string): Promise<Session> {
  const token = await developmentToken(url, userId)
  const session: Session = { kind: "development", accessToken: token.access_token, userId: token.user_id }
  storeSession(session)
  return session
}

/** The session's token; another tab's newer one where there is one. */
export function tokensOf(session: Session, url: string): TokenProvider {
  let current = session
  return async (refused) => {
    const stored = storedSession()
    if (stored !== null && stored.userId === session.userId) current = stored
    if (refused === current.accessToken && current.userId !== null) {
      current = await signInForDevelopment(url, current.userId)
    }
    return current.accessToken
  }
}

function isSession(value: unknown): value is Session {
  if (typeof value !== "object" || value === null) return false
  return "kind" in value && "accessToken" in value && typeof value.accessToken === "string" && "userId" in value
}
