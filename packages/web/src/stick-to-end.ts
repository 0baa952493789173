import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react"

/** How far from its end, in CSS pixels, a scrolled box still counts as being there. */
const tolerancePx = 40

export interface StickToEnd {
  /** To be given to the scrolling box, whose only child is the content. */
  scroller: RefObject<HTMLDivElement | null>
  atEnd: boolean
  scrollToEnd: () => void
  /** Stays where the reader is led to. */
  leaveEnd: () => void
}

/** Keeps a scrolling box, while `active`, at its end when its content grows, unless the reader has scrolled away. */
export function useStickToEnd(active: boolean): StickToEnd {
  const scroller = useRef<HTMLDivElement>(null)
  const [atEnd, setAtEnd] = useState(true)
  const sticking = useRef(true)
  const scrollToEnd = useCallback(() => {
    sticking.current = true
    setAtEnd(true)
    const box = scroller.current
    box?.scrollTo({ top: box.scrollHeight })
  }, [])
  const leaveEnd = useCallback(() => {
    sticking.current = false
    setAtEnd(false)
  }, [])

  useLayoutEffect(() => {
    const box = scroller.current
    const content = box?.firstElementChild
    if (!active || box === null || content === null || content === undefined) return undefined
    let height = box.scrollHeight
    const look = () => {
      const isNear = box.scrollHeight - box.scrollTop - box.clientHeight <= tolerancePx
      const isResized = box.scrollHeight !== height
      height = box.scrollHeight
      // A scroll event that a change of the content caused says nothing about the reader.
      if (!isResized || !sticking.current || isNear) sticking.current = isNear
      setAtEnd(sticking.current)
    }
    const follow = () => {
      if (sticking.current) box.scrollTop = box.scrollHeight
      look()
    }
    // Also in the middle of a fast stream, when every scroll event comes with a change of the content.
    const leave = (event: Event) => {
      if (isUpwards(event)) sticking.current = false
    }
    const observer = new ResizeObserver(follow)
    observer.observe(content)
    observer.observe(box)
    box.addEventListener("scroll", look, { passive: true })
    for (const type of leaveEvents) box.addEventListener(type, leave, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener("scroll", look)
      for (const type of leaveEvents) box.removeEventListener(type, leave)
    }
  }, [active])
  return { scroller, atEnd, scrollToEnd, leaveEnd }
}

const leaveEvents = ["wheel", "touchmove", "keydown"]

function isUpwards(event: Event): boolean {
  if (event instanceof WheelEvent) return event.deltaY < 0
  return !(event instanceof KeyboardEvent) || ["ArrowUp", "PageUp", "Home"].includes(event.key)
}
