import { useEffect } from "react"

/** Told of Ctrl + K or ⌘ K, and of / where nobody writes. */
export function useSearchKeys(onSearch: () => void): void {
  useEffect(() => {
    const look = (event: KeyboardEvent) => {
      if (!isSearchKey(event) || document.querySelector("dialog[open]") !== null) return
      event.preventDefault()
      onSearch()
    }
    document.addEventListener("keydown", look)
    return () => document.removeEventListener("keydown", look)
  }, [onSearch])
}

function isSearchKey({ key, ctrlKey, metaKey, altKey, shiftKey, target }: KeyboardEvent): boolean {
  if (key.toLowerCase() === "k") return (ctrlKey || metaKey) && !altKey && !shiftKey
  const isWriting = target instanceof HTMLElement && target.matches("input, textarea, select")
  return key === "/" && !ctrlKey && !metaKey && !altKey && !isWriting
}

/** As this platform writes it. */
export const searchKeys = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘ K" : "Ctrl K"
