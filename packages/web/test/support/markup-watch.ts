import type { Page } from "playwright-core"

/**
 * Watches a page from its first element on: whatever is put into its document, however shortly, is looked at. Gives what
 * was found in it that could run, load or lead anywhere but to a page or a letter.
 */
export async function watchMarkup(page: Page): Promise<() => Promise<string[]>> {
  await page.addInitScript(() => {
    const findings = new Set<string>()
    const schemes = ["http:", "https:", "mailto:"]
    const active =
      "script, iframe, frame, object, embed, applet, base, meta, link, style, template, img, picture, video"
    const own =
      "form, textarea, audio, source, animate, use, foreignObject, math, marquee, noscript, dialog, [is], [slot]"
    const look = (element: Element) => {
      const isForeign = element.closest(".prose, .bubble, .day, .dialog-list p, .search-hit-text, .head h1") !== null
      if (element.matches(active) || (isForeign && element.matches(own))) findings.add(element.outerHTML)
      for (const { name, value } of element.attributes) {
        const isScheme = () => schemes.includes(URL.parse(value, document.baseURI)?.protocol ?? "none")
        const isAddress = ["href", "src", "action", "formaction", "data", "xlink:href", "poster"].includes(name)
        const isName = isForeign && ["id", "name"].includes(name) && !value.startsWith("user-content-")
        const isStyle = isForeign && name === "style" && !/^text-align: (left|center|right);$/.test(value)
        if (name.startsWith("on") || (isAddress && !isScheme()) || isName || isStyle) {
          findings.add(`${name}=${value} in ${element.outerHTML}`)
        }
      }
    }
    const observe = () =>
      new MutationObserver((records) => {
        for (const { target, addedNodes } of records) {
          for (const node of [target, ...addedNodes]) {
            if (!(node instanceof Element)) continue
            look(node)
            node.querySelectorAll("*").forEach(look)
          }
        }
      }).observe(document.body, { childList: true, subtree: true, attributes: true })
    document.addEventListener("DOMContentLoaded", observe)
    Object.assign(window, { markupFindings: () => [...findings] })
  })
  return () => page.evaluate("window.markupFindings()")
}
