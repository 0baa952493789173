import { useSyncExternalStore } from "react"
import { localDay } from "./days.ts"

const lookEveryMs = 30_000

/** Today as `YYYY-MM-DD` in this browser's zone, also after midnight and after a night with the page open. */
export function useLocalDay(): string {
  return useSyncExternalStore(subscribe, () => localDay(new Date()))
}

function subscribe(listener: () => void): () => void {
  const timer = setInterval(listener, lookEveryMs)
  document.addEventListener("visibilitychange", listener)
  return () => {
    clearInterval(timer)
    document.removeEventListener("visibilitychange", listener)
  }
}
