import { randomUUID } from "node:crypto"
import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { composer, PageBrowser, phone, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { CutLine } from "./support/cut-line.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { clientOf, sayFromElsewhere } from "./support/other-device.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : ""}`, () => {
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

  test("signs in, sends, and shows the answer while it is written", async () => {
    const page = await browser.signIn(engine.url)
    const goOn = model.held("The first half, ", "and the second.")
    await say(page, "Hello there")
    await page.getByText("Hello there").waitFor()
    await replies(page, "writing").getByText("The first half,").waitFor()
    expect(await composer(page).inputValue()).toBe("")
    goOn()
    await replies(page, "completed").waitFor()
    expect(await replies(page, "completed").locator(".prose").innerText()).toBe("The first half, and the second.")
  })

  test("shows what is remembered, and takes notes, corrections and a pause", async () => {
    const page = await browser.signIn(engine.url)
    const open = () => page.getByRole("button", { name: "What I remember", exact: true }).click()
    const memory = page.getByRole("dialog", { name: "What I remember" })
    await open()
    await memory.getByText("Nothing is remembered here.").waitFor()
    await memory.getByRole("textbox", { name: "Something to remember" }).fill("My sister is called Ada")
    await memory.getByRole("button", { name: "Remember", exact: true }).click()
    await memory.getByText("My sister is called Ada").waitFor()
    await memory.getByRole("button", { name: "Correct", exact: true }).click()
    await memory.getByRole("textbox", { name: "How it is right" }).fill("My sister is called Ida")
    await memory.getByRole("button", { name: "Save" }).click()
    await memory.getByText("My sister is called Ida").waitFor()
    const pin = memory.getByRole("button", { name: "Keep in mind" })
    expect(await pin.getAttribute("aria-pressed")).toBe("true")
    await pin.click()
    await expect.poll(() => pin.getAttribute("aria-pressed")).toBe("false")
    await memory.getByRole("checkbox").check()
    await page.reload()
    await open()
    await expect.poll(() => pin.getAttribute("aria-pressed")).toBe("false")
    await memory.getByText("My sister is called Ida").waitFor()
    expect(await memory.getByRole("checkbox").isChecked()).toBe(true)
    expect(await memory.getByRole("listitem").count()).toBe(1)
    await memory.getByRole("searchbox").fill("Ada")
    await memory.getByText("Nothing is remembered here.").waitFor()
    await memory.getByRole("searchbox").fill("")
    await memory.getByRole("button", { name: "Forget" }).click()
    await memory.getByText("Nothing is remembered here.").waitFor()
    await page.keyboard.press("Escape")
    await memory.waitFor({ state: "hidden" })
  })

  test("leads from a memory to each message that it came from, and shows no answer to words that have changed", async () => {
    const page = await browser.signIn(engine.url)
    await sayFromElsewhere(page, model, [
      { text: "I keep bees", answer: "How many?" },
      { text: "Three hives of bees", answer: "Lovely." },
    ])
    await page.getByText("Three hives of bees").waitFor()
    const client = await clientOf(page)
    const [conversation] = (await client.call("GET /conversations", { query: {} })).data
    const said = (await client.call("GET /conversations/{id}/messages", { id: conversation!.id, query: {} })).data
    const sources = said
      .filter(({ role }) => role === "user")
      .map(({ id, conversation_id, role, created_at }) => ({ message_id: id, conversation_id, role, created_at }))
    const fact = { kind: "fact", pinned: false, day: null, valid_to: null, superseded_by: null }
    const at = said[0]!.created_at
    const times = { valid_from: at, created_at: at }
    const id = randomUUID()
    const answer = (text: string) => ({
      data: [{ id, text, sources, source_count: 22, ...fact, ...times }],
      next_cursor: null,
    })
    const late = Promise.withResolvers<void>()
    await page.route(/\/memories(\?|$)/, async (route) => {
      const isLate = route.request().url().includes("q=hives")
      if (isLate) await late.promise
      await route.fulfill({ json: answer(isLate ? "The late answer" : "Keeps bees") }).catch(() => undefined)
    })
    const memory = page.getByRole("dialog", { name: "What I remember" })
    await page.getByRole("button", { name: "What I remember", exact: true }).click()
    await memory.getByText("Keeps bees").waitFor()
    const asked = page.waitForRequest(/q=hives/)
    await memory.getByRole("searchbox").fill("hives")
    await asked
    const again = page.waitForResponse(/q=bees/)
    await memory.getByRole("searchbox").fill("bees")
    await again
    late.resolve()
    await memory.getByText("See where it was said (22)").click()
    await memory.getByText("and 20 more").waitFor()
    expect(await memory.getByText("The late answer").count()).toBe(0)
    expect(await memory.locator(".memory-sources a").count()).toBe(2)
    await memory.locator(".memory-sources a").nth(1).click()
    await memory.waitFor({ state: "hidden" })
    expect(page.url()).toContain(sources[1]!.message_id)
  })

  test("goes on with a reply after a reload in its middle, and on a second device", async () => {
    const page = await browser.signIn(engine.url)
    const goOn = model.held("Before the reload, ", "and after it.")
    await say(page, "Keep going")
    await replies(page, "writing").getByText("Before the reload,").waitFor()
    await page.reload()
    await replies(page, "writing").getByText("Before the reload,").waitFor()
    const second = await browser.visitAs(page, phone)
    await replies(second, "writing").getByText("Before the reload,").waitFor()
    goOn()
    for (const one of [page, second]) {
      await replies(one, "completed").waitFor()
      expect(await one.locator(".prose").allInnerTexts()).toEqual(["Before the reload, and after it."])
      expect(await one.locator(".bubble").allInnerTexts()).toEqual(["Keep going"])
    }
  })

  test("stops a reply and keeps, marked, what was written", async () => {
    const page = await browser.signIn(engine.url)
    model.held("As far as this", " and never further")
    await say(page, "Tell me everything")
    await replies(page, "writing").getByText("As far as this").waitFor()
    await page.getByRole("button", { name: "Stop the answer" }).click()
    await replies(page, "stopped").getByText("You stopped this answer.").waitFor()
    expect(await page.locator(".prose").innerText()).toBe("As far as this")
    await page.reload()
    await replies(page, "stopped").getByText("As far as this").waitFor()
    await page.getByRole("button", { name: "Send" }).waitFor()
  })

  test("says in words why a reply failed, and asks again", async () => {
    const page = await browser.signIn(engine.url)
    await say(page, "Nobody answers this")
    await replies(page, "failed")
      .getByText("could not be used")
      .or(replies(page, "failed").getByText("declined"))
      .waitFor()
    model.next("Now I do.")
    await page.getByRole("button", { name: "Ask again" }).click()
    await replies(page, "completed").getByText("Now I do.").waitFor()
    expect(await page.locator(".bubble").allInnerTexts()).toEqual(["Nobody answers this"])
    expect(await replies(page, "failed").count()).toBe(0)
  })

  test("shows a refused message with its reason, to be sent again or discarded", async () => {
    const page = await browser.signIn(engine.url)
    await composer(page).evaluate((field, text) => {
      // As a script or an old input method may do: half an emoji, which the engine refuses by name.
      Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")?.set?.call(field, text)
      field.dispatchEvent(new Event("input", { bubbles: true }))
    }, "Half an emoji \ud83d")
    await composer(page).press("Enter")
    const refused = page.getByRole("alert")
    await refused.getByText("cannot be stored").waitFor()
    await refused.getByRole("button", { name: "Try again" }).click()
    await refused.getByText("cannot be stored").waitFor()
    await refused.getByRole("button", { name: "Discard" }).click()
    await page.getByText("What is on your mind?").waitFor()
    expect(await page.locator(".bubble").count()).toBe(0)
  })

  test("says so when the address names a conversation that is not there", async () => {
    const page = await browser.signIn(engine.url)
    await page.goto(`${engine.url}/#/conversations/00000000-0000-4000-8000-000000000000`)
    await page.getByText("This conversation no longer exists.").waitFor()
    await page.getByRole("link", { name: "Back to today" }).click()
    await page.getByText("What is on your mind?").waitFor()
    expect(await page.getByText("no longer exists").count()).toBe(0)
  })

  test("keeps what is said without a connection, says so, and sends it once", async () => {
    const line = await CutLine.to(engine.url)
    const page = await browser.signIn(line.url)
    line.cut()
    await page.getByText("Connection lost").waitFor()
    await say(page, "Into the tunnel")
    await page.getByText("Sending…").waitFor()
    model.next("Out of the tunnel.")
    line.mend()
    await page.getByRole("button", { name: "Try now" }).click()
    await replies(page, "completed").getByText("Out of the tunnel.").waitFor()
    expect(await page.getByText("Connection lost").count()).toBe(0)
    expect(await page.locator(".bubble").allInnerTexts()).toEqual(["Into the tunnel"])
    await line.stop()
  })

  test("gets a new token for the same user when the old one is refused", async () => {
    const page = await browser.signIn(engine.url)
    model.next("I remember.")
    await say(page, "Remember me")
    await replies(page, "completed").waitFor()
    const user = await userOf(page)
    await page.evaluate(() => {
      const session = JSON.parse(localStorage.getItem("grizz.session") ?? "{}")
      localStorage.setItem("grizz.session", JSON.stringify({ ...session, accessToken: "worn out" }))
    })
    await page.reload()
    await page.getByText("Remember me").waitFor()
    expect(await userOf(page)).toBe(user)
  })

  test("opens earlier days for reading, and finds back to today", async () => {
    // Two zones whose calendars never show the same day: the user has travelled.
    const before = await browser.signIn(engine.url, { timezoneId: "Pacific/Pago_Pago" })
    model.next("That was then.")
    await say(before, "On the earlier day")
    await replies(before, "completed").waitFor()
    const page = await browser.visitAs(before, { timezoneId: "Pacific/Kiritimati" })
    await page.getByText("What is on your mind?").waitFor()
    await page.getByRole("navigation", { name: "Your days" }).getByRole("link").nth(1).click()
    await page.getByText("That was then.").waitFor()
    expect(await composer(page).count()).toBe(0)
    expect(
      await page.getByRole("heading", { level: 1 }).evaluate((heading) => heading === document.activeElement),
    ).toBe(true)
    await page.getByRole("link", { name: "Back to today" }).click()
    await page.getByText("What is on your mind?").waitFor()
    await page.goBack()
    await page.getByText("That was then.").waitFor()
  })

  test("walks its days by keyboard alone", async () => {
    const before = await browser.signIn(engine.url, { timezoneId: "Pacific/Pago_Pago" })
    model.next("That was then.")
    await say(before, "On the earlier day")
    await replies(before, "completed").waitFor()
    const page = await browser.visitAs(before, { timezoneId: "Pacific/Kiritimati" })
    await page.getByText("What is on your mind?").waitFor()
    // The new day has begun, and even has a name, though nothing has been said in it.
    const client = await clientOf(page)
    const { id } = await client.call("GET /conversations/today", { query: { tz: "Pacific/Kiritimati" } })
    await client.call("PATCH /conversations/{id}", { id, body: { title: "Nothing yet" } })
    await page.reload()
    await page.getByRole("navigation", { name: "Your days" }).getByRole("link").nth(1).waitFor()
    const today = page.getByRole("gridcell", { selected: true }).getByRole("button")
    await today.focus()
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))
    const labelOf = (day: Date) =>
      day.toLocaleDateString("en-US", {
        weekday: "long",
        day: "numeric",
        month: "long",
        timeZone: "Pacific/Kiritimati",
      })
    const now = new Date()
    await page.keyboard.press("ArrowUp")
    await expect.poll(focused).toContain(labelOf(new Date(now.getTime() - 7 * 86_400_000)))
    expect(await page.locator('.calendar [tabindex="0"]').count()).toBe(1)
    await page.keyboard.press("ArrowDown")
    await expect.poll(focused).toContain(labelOf(now))
    expect(await focused()).not.toContain("with a conversation")
    // The earlier day is one or two days back, by the hour of this test.
    for (let presses = 1; !(await focused())?.endsWith("with a conversation") && presses <= 2; presses++) {
      await page.keyboard.press("ArrowLeft")
      await expect.poll(focused).toContain(labelOf(new Date(now.getTime() - presses * 86_400_000)))
    }
    await page.keyboard.press("Enter")
    await page.getByText("That was then.").waitFor()
  })

  test("offers the new day after midnight instead of taking the present one away", async () => {
    const page = await browser.signIn(engine.url)
    expect(await page.getByText("A new day has begun.").count()).toBe(0)
    await page.clock.setSystemTime(Date.now() + 86_400_000)
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")))
    await page.getByRole("button", { name: "Go to today" }).waitFor()
  })

  test("goes on to the new day by itself once nothing is written any more", async () => {
    const page = await browser.visit(engine.url)
    const device = await page.context().newCDPSession(page)
    await device.send("Emulation.setTimezoneOverride", { timezoneId: "Pacific/Pago_Pago" })
    await page.getByRole("button", { name: "Start chatting" }).click()
    await page.getByText("What is on your mind?").waitFor()
    const goOn = model.held("Almost ", "midnight.")
    await say(page, "Before midnight")
    await replies(page, "writing").getByText("Almost").waitFor()
    // The user's day ends by an hour's flight over the date line.
    await device.send("Emulation.setTimezoneOverride", { timezoneId: "Pacific/Kiritimati" })
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")))
    await page.getByRole("button", { name: "Go to today" }).waitFor()
    expect(await replies(page, "writing").count()).toBe(1)
    goOn()
    await page.getByText("What was said before is among your days.").waitFor()
    await page.getByText("What is on your mind?").waitFor()
    expect(await page.locator(".bubble").count()).toBe(0)
  })

  test("is used from first to last by keyboard alone", async () => {
    const page = await browser.visit(engine.url, phone)
    await page.getByRole("button", { name: "Start chatting" }).waitFor()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.getByText("What is on your mind?").waitFor()
    expect(await focusedName(page)).toBe("message")
    model.next("Typed and heard.")
    await page.keyboard.type("First line")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("second line")
    await page.keyboard.press("Enter")
    await replies(page, "completed").waitFor()
    expect(await page.locator(".bubble").innerText()).toBe("First line\nsecond line")
    await page.getByRole("button", { name: "Show your days" }).focus()
    await page.keyboard.press("Enter")
    await page.getByRole("dialog", { name: "Your days" }).waitFor()
    expect(await focusedName(page)).toBe("Close your days")
    await page.keyboard.press("Escape")
    await page.getByRole("dialog").waitFor({ state: "detached" })
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Show your days")
  })

  test("tells a screen reader that a reply has begun, and once what it said", async () => {
    const page = await browser.signIn(engine.url)
    await page.evaluate(() => {
      const said: string[] = []
      const region = document.querySelector("[data-testid=announcer]")
      if (region === null) throw new Error("no live region")
      new MutationObserver(() => said.push(region.textContent)).observe(region, {
        childList: true,
        subtree: true,
        characterData: true,
      })
      Object.assign(window, { said })
    })
    const words = Array.from({ length: 40 }, (_, index) => `word ${index}`)
    model.next(async (write) => {
      for (const word of words) {
        write(`**${word}** `)
        await new Promise(setImmediate)
      }
    })
    await say(page, "Speak")
    await replies(page, "completed").waitFor()
    await page.waitForFunction(() =>
      document.querySelector("[data-testid=announcer]")?.textContent?.includes("word 39"),
    )
    const said: unknown = await page.evaluate("window.said")
    expect(said).toEqual(["Grizz is writing", `Grizz said: ${words.join(" ")}`])
  })

  test("shows what was said on another device, and reads back to the first word without a jump", async () => {
    const page = await browser.signIn(engine.url, phone)
    const texts = Array.from({ length: 30 }, (_, index) => `Message number ${index}`)
    await sayFromElsewhere(
      page,
      model,
      texts.map((text) => ({ text, answer: "Yes." })),
    )
    await page.getByText("Message number 29").waitFor()
    await page.reload()
    await page.getByText("Message number 29").waitFor()
    await expect.poll(() => page.locator(".bubble").count()).toBe(25)
    await page.locator(".transcript").evaluate((box) => box.scrollTo({ top: 0 }))
    const top = () => page.getByText("Message number 5", { exact: true }).boundingBox()
    const before = await top()
    await page.getByText("Message number 0", { exact: true }).waitFor()
    await expect.poll(() => page.locator(".bubble").allInnerTexts()).toEqual(texts)
    await expect.poll(async () => Math.abs(((await top())?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(2)
  })

  test("greets from the top on a screen too small for the whole greeting", async () => {
    const page = await browser.signIn(engine.url, { viewport: { width: 320, height: 400 } })
    const box = page.locator(".transcript")
    expect(await box.evaluate(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight)).toBe(true)
    expect(await box.evaluate(({ scrollTop }) => scrollTop)).toBe(0)
  })

  test("follows the newest words until the reader scrolls away, and leads back", async () => {
    const page = await browser.signIn(engine.url, phone)
    const lines = Array.from({ length: 60 }, (_, index) => `Line ${index}`).join("\n\n")
    const goOn = model.held(lines, "\n\nThe very end")
    await say(page, "A long one")
    await page.getByText("Line 59").waitFor()
    const fromEnd = () =>
      page.locator(".transcript").evaluate((box) => Math.round(box.scrollHeight - box.scrollTop - box.clientHeight))
    await expect.poll(fromEnd).toBe(0)
    await page.locator(".transcript").evaluate((box) => box.scrollTo({ top: 0 }))
    await page.getByRole("button", { name: "Jump to newest" }).waitFor()
    goOn()
    await replies(page, "completed").waitFor()
    expect(await page.locator(".transcript").evaluate((box) => box.scrollTop)).toBe(0)
    await page.getByRole("button", { name: "Jump to newest" }).click()
    await expect.poll(fromEnd).toBe(0)
  })
})

async function userOf(page: Page): Promise<unknown> {
  return page.evaluate(() => JSON.parse(localStorage.getItem("grizz.session") ?? "{}").userId)
}

async function focusedName(page: Page): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.id ?? null)
}
