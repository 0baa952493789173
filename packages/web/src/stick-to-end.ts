import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react"

/** How far from its end, in CSS pixels, a scrolled box still counts as being there. */
const tolerancePx = 40

export interface StickToEnd {
  /** To be given to the scrolling box, whose only child is the content. */
  scroller: RefObject<HTMLDivElement | null>
  atEnd: boolean
  scrollToEnd: () => void
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

  useLayoutEffect(() => {
    const box = scroller.current
    const content = box?.firstElementChild
    if (!active || box === null || content === null || content === undefined) return undefined
    let height = box.scrollHeight
    const look = () => {
      const grew = box.scrollHeight !== height
      height = box.scrollHeight
      const near = box.scrollHeight - box.scrollTop - box.clientHeight <= tolerancePx
      // A scroll event that growth caused says nothing about the reader.
      if (grew && sticking.current) return
      sticking.current = near
      setAtEnd(near)
    }
    const follow = () => {
      if (sticking.current) box.scrollTop = box.scrollHeight
      else look()
    }
    const observer = new ResizeObserver(follow)
    observer.observe(content)
    observer.observe(box)
    box.addEventListener("scroll", look, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener("scroll", look)
    }
  }, [active])
  return { scroller, atEnd, scrollToEnd }
}
