import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { findingsIn } from "./support/accessibility.ts"
import { PageBrowser, phone } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { EngineProcess } from "./support/engine-process.ts"

const chromium = findChromium()

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : ", what it loads later"}`, () => {
  let engine: EngineProcess
  let browser: PageBrowser

  beforeAll(async () => {
    engine = await EngineProcess.start({})
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(async () => {
    await browser.closePages()
  })
  afterAll(async () => {
    await browser.stop()
    await engine.stop()
  })

  test("welcomes in the language that the reader chooses there, and stays with it", async () => {
    const page = await browser.visit(engine.url, phone)
    await page.getByRole("combobox", { name: "Language" }).selectOption("de")
    await page.getByRole("heading", { name: "Hallo, ich bin Grizz." }).waitFor()
    await page.getByRole("combobox", { name: "Sprache" }).selectOption("ar")
    await page.locator("html[dir=rtl]").waitFor()
    await page.getByRole("combobox", { name: "اللغة" }).waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.reload()
    await page.locator("html[lang=ar]").waitFor()
  })

  test("says so where a part of it cannot be loaded, and loads it later", async () => {
    const page = await browser.signIn(engine.url)
    const open = () => page.getByRole("button", { name: "What I remember", exact: true }).click()
    await page.route("**/assets/memory-dialog*", (route) => route.abort())
    await open()
    await page.getByText("cannot be loaded at the moment").waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.keyboard.press("Escape")
    await page.unroute("**/assets/memory-dialog*")
    await open()
    await page.getByText("Nothing is remembered here.").waitFor()
  })
})
