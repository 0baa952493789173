import { hasText, parseJson } from "./has-text.ts"

/**
 * Gives the user's access token. Called before every request and connection, so it should cache; `refused` is the token
 * that the engine has just refused, or that is about to expire, and then another one is expected.
 */
export type TokenProvider = (refused?: string) => Promise<string>

/** The token in use, for every request and connection of one client. */
export class Credentials {
  readonly #provider: TokenProvider
  #token = ""
  #renewal: Promise<string> | null = null
  #userId: string | null = null
  readonly #identified: () => void

  /** @param identified told when it is known for the first time, or anew, whose tokens these are */
  constructor(provider: TokenProvider, identified: () => void) {
    this.#provider = provider
    this.#identified = identified
  }

  /** `sub` of the newest token; null before the first one, and where the token does not say. */
  get userId(): string | null {
    return this.#userId
  }

  /** The newest token; empty before the first one. */
  get token(): string {
    return this.#token
  }

  /** @throws whatever the provider throws */
  async get(): Promise<string> {
    return this.#keep(await this.#provider())
  }

  /** Another token in the place of this one; whoever asks meanwhile gets the same. */
  renew(refused: string): Promise<string> {
    if (this.#token !== refused) return Promise.resolve(this.#token)
    this.#renewal ??= this.#provider(refused)
      .then((token) => this.#keep(token))
      .finally(() => {
        this.#renewal = null
      })
    return this.#renewal
  }

  #keep(token: string): string {
    if (token !== this.#token) {
      this.#token = token
      const userId = subjectOf(token)
      const isNew = userId !== null && userId !== this.#userId
      this.#userId = userId
      if (isNew) this.#identified()
    }
    return token
  }
}

/** The user that a token names. Nothing is trusted because of it: the engine verifies. */
function subjectOf(token: string): string | null {
  try {
    const claims = parseJson(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")))
    return hasText(claims, "sub") ? claims.sub : null
  } catch {
    // Not base64: no JWT. Messages then wait in memory alone.
    return null
  }
}
