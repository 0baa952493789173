/** What the device says about itself; outside a browser it says nothing but that it has slept. */
export interface WakeListener {
  /** The network is back, the page is looked at again, or the device slept. */
  wake(): void
  /** The network is gone. */
  offline?(): void
}

/** How often it is looked whether time has jumped, and what counts as a jump, in ms. */
const lookEveryMs = 5_000
const jumpMs = 15_000

/** The device's signals, for everything of one client; the app may give them too. */
export class WakeSignals {
  readonly #listeners = new Set<WakeListener>()
  #stop: (() => void) | null = null

  /** Listens until the function it gives back is called. */
  listen(listener: WakeListener): () => void {
    this.#listeners.add(listener)
    this.#stop ??= this.#observe()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#stop?.()
      this.#stop = null
    }
  }

  readonly wake = (): void => {
    for (const listener of this.#listeners) listener.wake()
  }

  readonly #offline = (): void => {
    for (const listener of this.#listeners) listener.offline?.()
  }

  #observe(): () => void {
    let lookedAt = Date.now()
    const timer = setInterval(() => {
      const isJump = Date.now() - lookedAt > jumpMs
      lookedAt = Date.now()
      if (isJump) this.wake()
    }, lookEveryMs)
    const stop = new AbortController()
    const { signal } = stop
    if (typeof document !== "undefined" && typeof addEventListener !== "undefined") {
      addEventListener("online", this.wake, { signal })
      addEventListener("offline", this.#offline, { signal })
      document.addEventListener("visibilitychange", this.#looked, { signal })
    }
    return () => {
      clearInterval(timer)
      stop.abort()
    }
  }

  readonly #looked = (): void => {
    if (document.visibilityState === "visible") this.wake()
  }
}

/** False only where the device knows that it has no network. */
export function deviceIsOnline(): boolean {
  return typeof navigator === "undefined" || (navigator.onLine as boolean | undefined) !== false
}
