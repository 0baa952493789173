import { randomUUID } from "node:crypto"
import { AxeBuilder } from "@axe-core/playwright"
import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { composer, PageBrowser, phone, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { clientOf } from "./support/other-device.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()
const patience = { timeout: 20_000 }

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : ", its search"}`, () => {
  let model: ScriptedModel
  let engine: EngineProcess
  let browser: PageBrowser

  beforeAll(async () => {
    model = await ScriptedModel.start()
    engine = await EngineProcess.start({ OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: "none" })
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(async () => {
    await browser.closePages()
  })
  afterAll(async () => {
    await browser.stop()
    await engine.stop()
    await model.stop()
  })

  const search = (page: Page) => page.getByRole("dialog", { name: "Search what was said" })
  const field = (page: Page) => search(page).getByRole("textbox")
  const hits = (page: Page) => search(page).getByRole("listitem")

  /** A conversation outside the calendar, with as many turns as there are texts. */
  const sayBefore = async (page: Page, texts: string[]) => {
    const client = await clientOf(page)
    const { id } = await client.call("POST /conversations", { body: { title: "Clay" } })
    for (const content of texts) {
      model.next("I see.")
      await client.call("POST /conversations/{id}/messages", { id, body: { id: randomUUID(), content } })
    }
  }

  test("finds by the keyboard what was said, marks the words, and leads to the message, however far back", async () => {
    const page = await browser.signIn(engine.url)
    const later = Array.from({ length: 45 }, (_, turn) => `Something else, ${turn}`)
    await sayBefore(page, ["We made pots of clay", "Was I making a pot?", ...later])
    // So far back it is found once it is indexed.
    const client = await clientOf(page)
    await expect.poll(async () => (await client.search("make pot")).data.length).toBe(2)
    await page.keyboard.press("Control+k")
    await search(page).getByText("on whatever day").waitFor()
    await page.keyboard.type("make pot")
    await hits(page).nth(1).waitFor()
    expect(await hits(page).locator(".search-hit-text").allInnerTexts()).toEqual([
      "Was I making a pot?",
      "We made pots of clay",
    ])
    expect(await search(page).locator("mark").allInnerTexts()).toEqual(["making", "pot", "made", "pots"])
    await search(page).getByText("2 messages.").waitFor()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.waitForFunction(() => document.activeElement?.textContent?.includes("We made pots of clay"))
    expect(await search(page).count()).toBe(0)
    expect(await page.getByRole("heading", { name: "Clay" }).isVisible()).toBe(true)
    expect(await isInView(page, "We made pots of clay")).toBe(true)

    // Once more, from elsewhere in the same conversation.
    await page.getByRole("button", { name: "Jump to newest" }).click()
    await page.getByText("Something else, 44").waitFor()
    await expect.poll(() => isInView(page, "We made pots of clay"), patience).toBe(false)
    await page.keyboard.press("/")
    await field(page).fill("pots clay")
    await hits(page).first().click()
    await expect.poll(() => isInView(page, "We made pots of clay"), patience).toBe(true)
  })

  test("leads to what was said today, which can still be answered, and slashes are written where one writes", async () => {
    const page = await browser.signIn(engine.url)
    model.next("Bears *like* honey.")
    await say(page, "Honey and/or bread?")
    await replies(page, "completed").waitFor()
    await page.getByRole("button", { name: "Search", exact: true }).click()
    await field(page).fill("like honey")
    await hits(page).first().click()
    await page.waitForFunction(() => document.activeElement?.textContent?.includes("Bears like honey."))
    expect(await composer(page).isVisible()).toBe(true)
    await composer(page).press("/")
    expect(await composer(page).inputValue()).toBe("/")
    await composer(page).press("Control+k")
    await search(page).waitFor()
    await page.keyboard.press("Escape")
    await search(page).waitFor({ state: "detached" })
  })

  test("shows page after page of what was found, says when there is nothing, and when it cannot be looked for", async () => {
    const page = await browser.signIn(engine.url)
    await sayBefore(
      page,
      Array.from({ length: 23 }, (_, turn) => `Honey, ${turn}`),
    )
    await page.keyboard.press("Control+k")
    await field(page).fill("honey")
    await search(page).getByText("The newest 20 messages.").waitFor()
    await search(page).getByRole("button", { name: "Show older ones" }).click()
    await search(page).getByText("23 messages.").waitFor()
    expect(await hits(page).count()).toBe(23)
    await field(page).fill("xylophone")
    await search(page).getByText("Nothing that was said has “xylophone” in it.").waitFor()
    await page.route("**/search?*", (route) => route.abort())
    await field(page).fill("honey bread")
    await search(page).getByText("The search does not work at the moment.").waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.unroute("**/search?*")
    await search(page).getByRole("button", { name: "Try again" }).click()
    await search(page).getByText("Nothing that was said has “honey bread” in it.").waitFor()
  })

  test("says so where the message that an address names is gone", async () => {
    const page = await browser.signIn(engine.url)
    model.next("Yes.")
    await say(page, "Is it here?")
    await replies(page, "completed").waitFor()
    await page.goto(`${engine.url}/#/messages/${randomUUID()}`)
    await page.getByText("This message is not here any more.").waitFor()
  })

  test("opens from the drawer of a phone, and closes it on the way to a message", async () => {
    const page = await browser.signIn(engine.url, phone)
    await sayBefore(page, ["The hazel is in flower"])
    await page.getByRole("button", { name: "Show your days" }).click()
    await page.getByRole("button", { name: "Search", exact: true }).click()
    await field(page).fill("hazels")
    await hits(page).first().click()
    await page.getByRole("heading", { name: "Clay" }).waitFor()
    await page.waitForFunction(() => document.activeElement?.textContent?.includes("The hazel is in flower"))
    expect(await page.getByRole("dialog").count()).toBe(0)
  })
})

/** Whether what the user said is in the part of the transcript that is seen. */
async function isInView(page: Page, text: string): Promise<boolean> {
  return page.evaluate((said) => {
    const seen = document.querySelector(".transcript")?.getBoundingClientRect()
    const bubble = [...document.querySelectorAll(".bubble")].find((one) => one.textContent === said)
    const place = bubble?.getBoundingClientRect()
    return seen !== undefined && place !== undefined && place.top >= seen.top && place.bottom <= seen.bottom
  }, text)
}

async function findingsIn(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.map(({ id }) => id)
}
