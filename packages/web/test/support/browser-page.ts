import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { chromiumFlags } from "./chromium.ts"

export const phone = { viewport: { width: 360, height: 740 } } as const
export const desktop = { viewport: { width: 1280, height: 800 } } as const

/** One Chromium with a fresh profile; every `visit` is a device of its own. */
export class PageBrowser {
  readonly #browser: Browser
  readonly #contexts: BrowserContext[] = []
  /** What pages complained about: errors, and what the content security policy refused. */
  readonly #complaints: string[] = []

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async start(executablePath: string): Promise<PageBrowser> {
    return new PageBrowser(await chromium.launch({ executablePath, args: chromiumFlags, headless: true }))
  }

  async visit(url: string, options: BrowserContextOptions = desktop): Promise<Page> {
    const context = await this.#browser.newContext(options)
    this.#contexts.push(context)
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    page.on("pageerror", (error) => this.#complaints.push(error.message))
    page.on("console", (message) => {
      if (/Content.Security.Policy/i.test(message.text())) this.#complaints.push(message.text())
    })
    await page.goto(url)
    return page
  }

  /** Visits as a new development user, and waits for today's conversation. */
  async signIn(url: string, options: BrowserContextOptions = desktop): Promise<Page> {
    const page = await this.visit(url, options)
    await page.getByRole("button", { name: "Start chatting" }).click()
    await page.getByText("What is on your mind?").waitFor()
    return page
  }

  /** Visits as the user of another page, on another device. */
  async visitAs(other: Page, options: BrowserContextOptions = desktop): Promise<Page> {
    const storageState = await other.context().storageState()
    return this.visit(new URL(other.url()).origin, { ...options, storageState })
  }

  /** @throws Error with what the pages complained about */
  async closePages(): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close()
    const complaints = this.#complaints.splice(0)
    if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join("\n")}`)
  }

  async stop(): Promise<void> {
    await this.#browser.close()
  }
}

export const composer = (page: Page) => page.getByRole("textbox", { name: "Message to Grizz" })
export const replies = (page: Page, status: string) => page.locator(`.message.grizz[data-status=${status}]`)

/** Says it by the keyboard, as people do. */
export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text)
  await composer(page).press("Enter")
}

/** What the answers on a page said so far, at every change: no step may ever say more than the whole. */
export async function recordTexts(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen = new Set<string>()
    const look = () => document.querySelectorAll(".prose").forEach((prose) => seen.add(prose.textContent))
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true })
    Object.assign(window, { textsSeen: () => [...seen] })
  })
  return () => page.evaluate("window.textsSeen()")
}
