import { randomUUID } from "node:crypto"
import type { Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import corpus from "./fixtures/hostile-markdown.json" with { type: "json" }
import { PageBrowser } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { watchMarkup } from "./support/markup-watch.ts"
import { clientOf, sayFromElsewhere } from "./support/other-device.ts"
import { type Answer, ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : " with hostile text"}`, () => {
  let model: ScriptedModel
  let engine: EngineProcess
  let browser: PageBrowser
  let page: Page
  let findings: () => Promise<string[]>
  /** Every address that the page asked for or connected to, as the browser itself tells of it. */
  const asked: string[] = []
  const opened: string[] = []

  beforeAll(async () => {
    model = await ScriptedModel.start()
    engine = await EngineProcess.start({ OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: "none" })
    browser = await PageBrowser.start(chromium ?? "")
    // The policy would stop what the page itself lets through; here the page is on its own.
    page = await browser.signIn(engine.url, { viewport: { width: 1280, height: 2_000 }, bypassCSP: true })
    page.on("dialog", (dialog) => {
      opened.push(dialog.message())
      void dialog.dismiss()
    })
    page.context().on("page", (other) => opened.push(other.url()))
    const network = await page.context().newCDPSession(page)
    network.on("Network.requestWillBeSent", ({ request }) => asked.push(request.url))
    network.on("Network.webSocketCreated", ({ url }) => asked.push(url))
    await network.send("Network.enable")
    findings = await watchMarkup(page)
    await page.reload()
    await page.getByText("What is on your mind?").waitFor()
  })
  afterAll(async () => {
    await browser.stop()
    await engine.stop()
    await model.stop()
  })

  async function expectHarmless(): Promise<void> {
    expect(await findings()).toEqual([])
    expect(await page.evaluate("window.pwned")).toBeUndefined()
    expect(opened).toEqual([])
    const { host } = new URL(engine.url)
    // The page's own drawings are such addresses, and nobody is asked for them.
    const isElsewhere = (url: string) => !url.startsWith("data:") && new URL(url).host !== host
    expect(asked.filter(isElsewhere)).toEqual([])
    expect(page.url()).toContain(engine.url)
  }

  /** In small pieces, so that it is also seen half written. */
  const slowly =
    (text: string): Answer =>
    async (write) => {
      for (const piece of text.match(/.{1,9}/gsu) ?? []) {
        write(piece)
        await new Promise(setImmediate)
      }
    }

  test("runs and loads nothing of it in messages and answers, live and from history", async () => {
    await sayFromElsewhere(
      page,
      model,
      corpus.map(({ text }) => ({ text, answer: slowly(text) })),
    )
    const newest = page.locator(".bubble").getByText(corpus.at(-1)?.text ?? "", { exact: true })
    await newest.waitFor()
    await expectHarmless()
    await page.reload()
    await newest.waitFor()
    // What the user said is there as it was said, to the letter.
    const seen = new Set<string>()
    const readBack = async () => {
      for (const text of await page.locator(".bubble").allTextContents()) seen.add(text)
      await page.locator(".transcript").evaluate((box) => box.scrollBy({ top: -1_000 }))
      return corpus.filter(({ text }) => !seen.has(text)).map(({ name }) => name)
    }
    await expect.poll(readBack).toEqual([])
    await expectHarmless()
  })

  test("runs and loads nothing of it in titles and memories", async () => {
    const client = await clientOf(page)
    for (const { text } of corpus) {
      const { id } = await client.call("POST /conversations", { body: { title: text } })
      model.next("I see.")
      // One in which nothing was said is not listed.
      await client.call("POST /conversations/{id}/messages", { id, body: { id: randomUUID(), content: "Hello" } })
      await client.call("POST /memories", { body: { text } })
    }
    await page.reload()
    const titles = page.getByRole("region", { name: "Other conversations" }).getByRole("link")
    await expect.poll(() => titles.allTextContents()).toEqual(corpus.map(({ text }) => text).toReversed())
    await titles.first().click()
    await page.getByText("Hello").waitFor()
    await expect.poll(() => page.getByRole("heading", { level: 1 }).textContent()).toBe(corpus.at(-1)?.text)
    for (const box of [page.locator(".days"), page.locator(".main"), page.locator(".head")]) {
      expect(await box.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBeLessThanOrEqual(0)
    }
    await page.getByRole("button", { name: "What I remember", exact: true }).click()
    const memory = page.getByRole("dialog", { name: "What I remember" })
    const remembered = memory.getByRole("listitem")
    const older = memory.getByRole("button", { name: "Show older ones" })
    await remembered.first().waitFor()
    while (await older.isVisible()) {
      const shown = await remembered.count()
      await older.dblclick()
      await expect.poll(() => remembered.count()).toBeGreaterThan(shown)
    }
    expect(await remembered.count()).toBe(corpus.length)
    await expectHarmless()
  })

  test("runs and loads nothing of it in what a search finds", async () => {
    const texts = corpus.map(({ text }) => `Honeycomb ${text}`)
    const half = Math.ceil(texts.length / 2)
    const turns = texts.slice(0, half).map((text, place) => ({ text, answer: texts[half + place] ?? "Honeycomb" }))
    await sayFromElsewhere(page, model, turns)
    // What is far back is found once it is indexed.
    const client = await clientOf(page)
    const countFound = async () => {
      let count = 0
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const found = await client.search("honeycomb", { cursor: cursor ?? null, limit: 50 })
        count += found.data.length
        cursor = found.next_cursor
      }
      return count
    }
    await expect.poll(countFound).toBeGreaterThanOrEqual(texts.length)
    await page.reload()
    await page.getByRole("button", { name: "Search", exact: true }).click()
    const search = page.getByRole("dialog", { name: "Search what was said" })
    await search.getByRole("textbox").fill("honeycomb")
    await search.locator("mark").first().waitFor()
    const found = search.locator(".search-hit-text")
    const older = search.getByRole("button", { name: "Show older ones" })
    while (await older.isVisible()) {
      const shown = await found.count()
      await older.click()
      await expect.poll(() => found.count()).toBeGreaterThan(shown)
      await search.getByText(/ messages\.$/).waitFor()
    }
    const seen = new Set(await found.allTextContents())
    expect(turns.map(({ text }) => text.replace(/\s+/g, " ")).filter((text) => !seen.has(text))).toEqual([])
    await expectHarmless()
  })
})
