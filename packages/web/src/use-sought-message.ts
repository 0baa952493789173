import { type RefObject, useEffect, useMemo, useRef } from "react"
import type { VirtualizerHandle } from "virtua"
import type { Addressed } from "./addressed-conversation.ts"
import type { Earlier } from "./use-earlier.ts"

interface Sought {
  addressed: Addressed
  rows: readonly { key: string }[]
  /** Null until it is known. */
  hasEarlier: boolean | null
  earlier: Earlier
  list: RefObject<VirtualizerHandle | null>
  /** Told before the reader is led there. */
  onFound: () => void
}

/** How many rows are to be there before it, where there are so many, for it to stand in the middle. */
const rowsBefore = 15
/** For how long it is put in the middle again: heights of rows are guesses until they are drawn, a frame or a few later. */
const leadingFrames = 60

/** What marks the row of the message, and lets it take the focus. */
export const soughtRow = { "data-sought": true, tabIndex: -1 } as const

/** Leads to the message that the address names, and reads the conversation back until it is there. True: it is not. */
export function useSoughtMessage({ addressed, rows, hasEarlier, earlier, list, onFound }: Sought): boolean {
  const led = useRef<Addressed | null>(null)
  const { messageId } = addressed
  const place = useMemo(() => rows.findIndex(({ key }) => key === messageId), [rows, messageId])
  useEffect(() => {
    if (messageId === null || led.current === addressed) return
    const isRead = place >= rowsBefore || (place !== -1 && hasEarlier === false)
    if (isRead) {
      led.current = addressed
      onFound()
      list.current?.scrollToIndex(place, { align: "center" })
      lead(Number.NaN, leadingFrames)
    } else if (hasEarlier === true && earlier.status === "idle") earlier.loadFar()
  }, [messageId, place, hasEarlier, earlier, addressed, list, onFound])
  return messageId !== null && place === -1 && hasEarlier === false
}

/** Puts the row in the middle until it stays there. What comes next is then read, and walked, from it. */
function lead(lastTop: number, frames: number): void {
  const row = document.querySelector<HTMLElement>("[data-sought]")
  const isDrawn = row?.checkVisibility({ visibilityProperty: true }) === true
  if (isDrawn) row.scrollIntoView({ block: "center" })
  const top = isDrawn ? row.getBoundingClientRect().top : Number.NaN
  if (top === lastTop || frames === 0) row?.focus({ preventScroll: true })
  else requestAnimationFrame(() => lead(top, frames - 1))
}
