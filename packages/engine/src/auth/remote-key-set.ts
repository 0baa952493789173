import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWTHeaderParameters } from "jose"
import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"

export interface RemoteKeySetOptions {
  /** Where the issuer publishes its keys, as an RFC 7517 key set. */
  url: string
  clock: Clock
  /** For the whole answer. Default 5000. */
  timeoutMs?: number
  /** Longest answer that is read. Default 256 KiB. */
  maxBytes?: number
  /** From the end of one request to the begin of the next. Default 30000. */
  cooldownMs?: number
  /** The same after a request that failed. Default 5000. */
  retryMs?: number
  /** Age at which keys are fetched anew before they are used; in the background from half of it on. Default 600000. */
  maxAgeMs?: number
}

type LocalKeySet = ReturnType<typeof createLocalJWKSet>

/**
 * The issuer's public keys. Keys once seen stay in use while the issuer cannot be reached; a key that is not among them
 * costs at most one request per cool-down, however many ask for it.
 */
export class RemoteKeySet {
  readonly #options: Required<RemoteKeySetOptions>
  #keys: LocalKeySet | null = null
  #fetchedAt = 0
  #attempt: { endedAt: number; failure: ChatError | null } | null = null
  #pending: Promise<void> | null = null

  constructor(options: RemoteKeySetOptions) {
    const defaults = { timeoutMs: 5000, maxBytes: 256 * 1024, cooldownMs: 30_000, retryMs: 5000, maxAgeMs: 600_000 }
    this.#options = { ...defaults, ...options }
  }

  /**
   * The key that a token of this header was signed with.
   * @throws ChatError `unavailable` when the keys cannot be had; JOSEError when the issuer has no such key
   */
  async find(header: JWTHeaderParameters): Promise<CryptoKey> {
    await this.#keepFresh()
    try {
      return await this.#lookUp(header)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // It may have been published since.
      await this.#refresh()
      if (this.#attempt?.failure != null) throw this.#attempt.failure
      return this.#lookUp(header)
    }
  }

  async #lookUp(header: JWTHeaderParameters): Promise<CryptoKey> {
    if (this.#keys === null) throw new errors.JWKSNoMatchingKey()
    return this.#keys(header)
  }

  /** A request waits for keys that are too old, so that a withdrawn one is not used; not while the issuer is failing. */
  async #keepFresh(): Promise<void> {
    if (this.#keys === null) return
    const age = this.#options.clock.now() - this.#fetchedAt
    if (age < this.#options.maxAgeMs / 2) return
    const refreshed = this.#refresh()
    const isFailing = this.#attempt?.failure != null
    if (age >= this.#options.maxAgeMs && !isFailing) await refreshed
  }

  /** Never rejects: how it went is in `#attempt`. Callers during a request share it. */
  #refresh(): Promise<void> {
    if (this.#pending !== null) return this.#pending
    if (this.#isCoolingDown()) return Promise.resolve()
    this.#pending = this.#fetchAndKeep().finally(() => {
      this.#pending = null
    })
    return this.#pending
  }

  #isCoolingDown(): boolean {
    if (this.#attempt === null) return false
    const elapsedMs = this.#options.clock.now() - this.#attempt.endedAt
    // Below 0 the clock was set back: nothing is known of the time that passed.
    return elapsedMs >= 0 && elapsedMs < (this.#attempt.failure ? this.#options.retryMs : this.#options.cooldownMs)
  }

  async #fetchAndKeep(): Promise<void> {
    let failure: ChatError | null = null
    try {
      this.#keys = createLocalJWKSet(await this.#fetch())
      this.#fetchedAt = this.#options.clock.now()
    } catch (cause) {
      failure = new ChatError("unavailable", "The keys to check the token with cannot be had right now.", { cause })
    }
    this.#attempt = { endedAt: this.#options.clock.now(), failure }
  }

  async #fetch(): Promise<JSONWebKeySet> {
    const response = await fetch(this.#options.url, {
      headers: { accept: "application/json" },
      // A redirect would let whoever answers here choose the keys' origin.
      redirect: "error",
      signal: AbortSignal.timeout(this.#options.timeoutMs),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`the key set was answered with status ${response.status}`)
    }
    const body: unknown = JSON.parse(await this.#readBody(response))
    if (!isKeySet(body)) throw new Error("the answer is not a key set")
    return body
  }

  async #readBody(response: Response): Promise<string> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      // Leaving the loop cancels the body.
      if (length > this.#options.maxBytes) throw new Error(`the key set is longer than ${this.#options.maxBytes} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString("utf8")
  }
}

/** As far as it must be known here: `createLocalJWKSet` checks the keys. */
function isKeySet(body: unknown): body is JSONWebKeySet {
  return body !== null && typeof body === "object" && "keys" in body && Array.isArray(body.keys)
}
