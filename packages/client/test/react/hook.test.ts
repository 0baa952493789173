import { join } from "node:path"
import type { Page, WebSocket } from "playwright-core"
import { build } from "vite"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { PageBrowser } from "../../../web/test/support/browser-page.ts"
import { findChromium } from "../../../web/test/support/chromium.ts"
import { RealEngine } from "../engine/real-engine.ts"

const chromium = findChromium()

/** The fixture as one script, in the development build of React, which has the strict mode. */
async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    mode: "development",
    define: { "process.env.NODE_ENV": '"development"' },
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, "fixture.tsx"), formats: ["iife"], name: "fixture" },
    },
  })
  const [output] = Array.isArray(built) ? built : [built]
  const chunk = output !== undefined && "output" in output ? output.output[0] : null
  return chunk?.code ?? ""
}

describe.skipIf(chromium === null)(`the hook${chromium === null ? ": no Chromium found" : ""}`, () => {
  const real = new RealEngine()
  let browser: PageBrowser
  let script: string
  /** Of the page, as long as they are open. */
  const sockets = new Set<WebSocket>()

  beforeAll(async () => {
    script = await bundle()
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(() => browser.closePages())
  afterAll(() => browser.stop())

  async function open(): Promise<Page> {
    // Any answer of the engine: the page is the test's own, in the engine's origin.
    const page = await browser.visit(`${real.line.url}/health`, { bypassCSP: true })
    sockets.clear()
    page.on("websocket", (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    await run(page)
    return page
  }

  async function run(page: Page): Promise<void> {
    const fixture = { token: await real.token(), aheadMs: 0, renders: {} }
    await page.evaluate((given) => Object.assign(window, { fixture: given }), fixture)
    await page.addScriptTag({ content: script })
    await page.locator("main[data-status=open]").waitFor()
  }

  const renders = (page: Page): Promise<Record<string, number>> =>
    page.evaluate(() => JSON.parse(JSON.stringify(window.fixture.renders)))

  test("renders nothing but the message that is being written, in strict mode", async () => {
    const page = await open()
    await page.getByRole("button").click()
    await page.locator("#writing").waitFor()
    const before = await renders(page)
    let text = ""
    for (let piece = 0; piece < 20; piece++) {
      text += `word ${piece} `
      real.model.say(`word ${piece} `)
      await page.waitForFunction((want) => document.getElementById("writing")?.textContent === want, text)
    }
    const after = await renders(page)
    expect(after["writing"]).toBeGreaterThanOrEqual((before["writing"] ?? 0) + 20)
    expect({ ...after, writing: 0 }).toEqual({ ...before, writing: 0 })
    real.model.finish()
    await page.locator("li[data-role=assistant]").waitFor()
    expect((await renders(page))["message Hello"]).toBe(before["message Hello"])
  })

  test("leaves one connection, though strict mode mounts everything twice", async () => {
    const page = await open()
    await page.getByRole("button").click()
    await page.locator("#writing").waitFor()
    expect(sockets.size).toBe(1)
    real.model.finish()
    await page.locator("li[data-role=assistant]").waitFor({ state: "attached" })
    expect(await page.locator("li[data-role=user]").count()).toBe(1)
  })

  test("closes its connection when its component goes, and the reply goes on", async () => {
    const page = await open()
    await page.getByRole("button").click()
    await page.locator("#writing").waitFor()
    const [socket] = sockets
    const closed = socket?.waitForEvent("close")
    await page.evaluate(() => window.fixture.unmount?.())
    await closed
    real.model.say("Still here.")
    real.model.finish()
    const again = await open()
    await again.locator("li[data-role=assistant]").getByText("Still here.").waitFor()
  })

  test("sends what was said without a network after the page was left and opened again", async () => {
    const page = await open()
    real.line.cut()
    await page.locator("main:not([data-status=open])").waitFor()
    await page.getByRole("button").click()
    await page.goto("about:blank")
    real.line.mend()
    real.model.say("Welcome back.")
    real.model.finish()
    await page.goto(`${real.line.url}/health`)
    await run(page)
    await page.getByText("Welcome back.").waitFor()
    expect(await page.locator("li").allInnerTexts()).toEqual(["Hello", "Welcome back."])
    expect(await page.evaluate(() => localStorage.length)).toBe(0)
  })

  test("is shared by two tabs, which show the same and say everything once", async () => {
    const page = await open()
    const other = await page.context().newPage()
    await other.goto(`${real.line.url}/health`)
    await run(other)
    real.line.cut()
    for (const tab of [page, other]) await tab.locator("main:not([data-status=open])").waitFor()
    for (const tab of [page, other]) await tab.getByRole("button").click()
    real.line.mend()
    for (const text of ["One.", "Two."]) {
      real.model.say(text)
      real.model.finish()
    }
    for (const tab of [page, other]) {
      await tab.getByText("Two.").waitFor()
      expect(await tab.locator("li").allInnerTexts()).toEqual(["Hello", "One.", "Hello", "Two."])
    }
    expect(real.engine.modelCalls()).toBe(2)
  })

  test("goes on to the new day by itself, once nothing runs in the old one", async () => {
    const page = await open()
    const day = (await page.locator("main").getAttribute("data-day")) ?? ""
    await page.getByRole("button").click()
    await page.locator("#writing").waitFor()
    real.aheadMs = 86_400_000
    const token = await real.token()
    await page.evaluate((given) => {
      Object.assign(window.fixture, { aheadMs: 86_400_000, token: given })
      window.fixture.client?.wake()
    }, token)
    real.model.say("Good night.")
    await page.waitForFunction(() => document.getElementById("writing")?.textContent === "Good night.")
    expect(await page.locator("main").getAttribute("data-day")).toBe(day)
    real.model.finish()
    const tomorrow = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
    await page.locator(`main[data-day="${tomorrow}"][data-status=open]`).waitFor()
    expect(await page.locator("li").count()).toBe(0)
  })
})
