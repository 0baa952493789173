/** What the device says about itself; outside a browser it says nothing. */
export interface WakeListener {
  /** The network is back, or the page is looked at again. */
  wake(): void
  /** The network is gone. */
  offline(): void
}

/** Listens until the function it gives back is called. */
export function onWakeSignals(listener: WakeListener): () => void {
  if (typeof document === "undefined" || typeof addEventListener === "undefined") return () => {}
  const stop = new AbortController()
  const options = { signal: stop.signal }
  const visible = () => {
    if (document.visibilityState === "visible") listener.wake()
  }
  addEventListener("online", () => listener.wake(), options)
  addEventListener("offline", () => listener.offline(), options)
  document.addEventListener("visibilitychange", visible, options)
  return () => stop.abort()
}

/** False only where the device knows that it has no network. */
export function deviceIsOnline(): boolean {
  return typeof navigator === "undefined" || (navigator.onLine as boolean | undefined) !== false
}
