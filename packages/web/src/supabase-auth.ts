import { GrizzError } from "@grizz/client"
import { type AuthError, createClient, isAuthRetryableFetchError, type SupabaseClient } from "@supabase/supabase-js"

export interface SupabaseProject {
  /** Such as `https://abc.supabase.co`. */
  url: string
  /** The project's publishable (or legacy anon) key; no secret. */
  publishableKey: string
}

/** Null when it went well; otherwise Supabase's code (or `network`, `foreign_link`, or none: empty), and its words. */
export type SignInProblem = { code: string; message: string } | null

/** Where this browser's Supabase session is kept. */
const storageKey = "grizz.supabase"

/** The sign-in of a Supabase project's users, in the one module that loads Supabase's library. */
export class SupabaseAuth {
  readonly #auth: SupabaseClient["auth"]
  readonly #listeners = new Set<() => void>()
  #userId: string | null = null
  #hasEnded = false
  #arrivalProblem: SignInProblem = null

  private constructor(project: SupabaseProject) {
    const options = { storageKey, flowType: "pkce", detectSessionInUrl: true } as const
    this.#auth = createClient(project.url, project.publishableKey, { auth: options }).auth
  }

  /** Resolves when it is known who is signed in: from before, or by the link that led here. */
  static async open(project: SupabaseProject): Promise<SupabaseAuth> {
    const opened = new SupabaseAuth(project)
    await opened.#open()
    return opened
  }

  /** Null while nobody is signed in. */
  get userId(): string | null {
    return this.#userId
  }

  /** Somebody was signed in until their session ended without them. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** What was wrong with the link that led here. */
  get arrivalProblem(): SignInProblem {
    return this.#arrivalProblem
  }

  /** Calls back when another user, or nobody, is signed in from now on, also by what another tab did. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async signInWithPassword(email: string, password: string): Promise<SignInProblem> {
    const { error } = await this.#auth.signInWithPassword({ email, password })
    return problemOf(error)
  }

  /** Sends a letter whose link leads back to this page, in this browser. */
  async sendLink(email: string): Promise<SignInProblem> {
    const { error } = await this.#auth.signInWithOtp({ email, options: { emailRedirectTo: `${location.origin}/` } })
    return problemOf(error)
  }

  /** On this device, whether or not Supabase can be told. */
  async signOut(): Promise<void> {
    this.#become(null, false)
    const { error } = await this.#auth.signOut({ scope: "local" })
    if (error !== null) localStorage.removeItem(storageKey)
  }

  /** What the SDK asks for tokens. */
  readonly token = async (refused?: string): Promise<string> => {
    const { data, error } = await this.#auth.getSession()
    if (error !== null) throw toGrizzError(error)
    // Another tab, or the library's own timer, may have refreshed meanwhile.
    if (data.session !== null && data.session.access_token !== refused) return data.session.access_token
    const renewed = await this.#auth.refreshSession()
    if (renewed.error !== null) throw toGrizzError(renewed.error)
    return renewed.data.session?.access_token ?? ""
  }

  async #open(): Promise<void> {
    const arrival = new URLSearchParams(`${location.search.slice(1)}&${location.hash.slice(1)}`)
    const isLink = ["code", "access_token", "error_description"].some((name) => arrival.has(name))
    const { error } = await this.#auth.initialize()
    const { data } = await this.#auth.getSession()
    this.#userId = data.session?.user.id ?? null
    if (isLink) {
      // A code without what this browser kept for it, or bare tokens, come of a link that was asked for elsewhere.
      const isForeign = error === null || arrival.has("access_token")
      const foreign = { code: "foreign_link", message: "" }
      this.#arrivalProblem = this.#userId === null && isForeign ? foreign : problemOf(error)
      // What the link brought is used up, and must be in no bookmark.
      history.replaceState(null, "", location.pathname)
    }
    this.#auth.onAuthStateChange((_, session) => this.#become(session?.user.id ?? null, true))
  }

  #become(userId: string | null, unasked: boolean): void {
    if (userId === this.#userId) return
    this.#hasEnded = userId === null && unasked
    this.#userId = userId
    this.#arrivalProblem = null
    for (const listener of this.#listeners) listener()
  }
}

function problemOf(error: AuthError | null): SignInProblem {
  if (error === null) return null
  if (isAuthRetryableFetchError(error)) return { code: "network", message: error.message }
  // An address that tells of an error has its code in the details.
  const { code } = "details" in error && hasCode(error.details) ? error.details : error
  return { code: code ?? "", message: error.message }
}

function hasCode(details: unknown): details is { code: string } {
  return typeof details === "object" && details !== null && "code" in details && typeof details.code === "string"
}

function toGrizzError(error: AuthError): GrizzError {
  const code = isAuthRetryableFetchError(error) ? "network" : "unauthenticated"
  return new GrizzError(code, error.message, { cause: error })
}
