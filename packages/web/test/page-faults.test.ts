import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { texts } from "../src/texts.ts"
import { PageBrowser, recordTexts, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { CutLine } from "./support/cut-line.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { sayFromElsewhere } from "./support/other-device.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : ", when things break"}`, () => {
  let model: ScriptedModel
  let engine: EngineProcess
  let line: CutLine
  let browser: PageBrowser

  beforeAll(async () => {
    model = await ScriptedModel.start()
    engine = await EngineProcess.start({ OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: "none" })
    line = await CutLine.to(engine.url)
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(async () => {
    line.mend()
    await browser.closePages()
  })
  afterAll(async () => {
    await browser.stop()
    await line.stop()
    await engine.stop()
    await model.stop()
  })

  const lineState = (page: Page, status: keyof typeof texts.connection.states) =>
    page.locator(`.line-state[data-status=${status}]`).getByText(texts.connection.states[status], { exact: true })
  const said = (page: Page) => page.locator(".bubble").allInnerTexts()
  const answered = (page: Page) => replies(page, "completed").locator(".prose").allInnerTexts()

  test("goes on by itself with an answer over whose middle the network was off, and says meanwhile that it is", async () => {
    const page = await browser.signIn(line.url)
    const { promise: inTunnel, resolve: enterTunnel } = Promise.withResolvers<void>()
    const { promise: atEnd, resolve: leaveTunnel } = Promise.withResolvers<void>()
    const { promise: isSpoken, resolve: spoken } = Promise.withResolvers<void>()
    model.next(async (write) => {
      write("Before the tunnel, ")
      await inTunnel
      write("in the tunnel, ")
      spoken()
      await atEnd
      write("and after it.")
    })
    await say(page, "Keep talking")
    await replies(page, "writing").getByText("Before the tunnel,").waitFor()
    await lineState(page, "open").waitFor()
    const seen = await recordTexts(page)
    line.cut()
    await lineState(page, "reconnecting").waitFor()
    await page.getByText(texts.connection.reconnecting).waitFor()
    await page.context().setOffline(true)
    await lineState(page, "offline").waitFor()
    await page.getByText(texts.connection.offline).waitFor()
    enterTunnel()
    await isSpoken
    expect(await replies(page, "writing").locator(".prose").innerText()).toBe("Before the tunnel,")
    line.mend()
    await page.context().setOffline(false)
    await replies(page, "writing").getByText("in the tunnel,").waitFor()
    await page.getByText(texts.reply.resumed).waitFor()
    await lineState(page, "open").waitFor()
    expect(await page.locator(".connection-bar").count()).toBe(0)
    leaveTunnel()
    await replies(page, "completed").waitFor()
    const whole = "Before the tunnel, in the tunnel, and after it."
    expect(await answered(page)).toEqual([whole])
    expect(await said(page)).toEqual(["Keep talking"])
    expect((await seen()).filter((text) => !whole.startsWith(text.trim()))).toEqual([])
  })

  test.each([
    ["goes on", async () => {}],
    ["is reloaded", async (page: Page) => void (await page.reload())],
  ])(
    "shows once, and asks the model once for, what was sent but never acknowledged, when the page %s",
    async (_, comeBack) => {
      const page = await browser.signIn(line.url)
      const askedBefore = model.asked
      const goOn = model.held("Heard ", "you.")
      line.deafen()
      await say(page, "Did you hear me?")
      await expect.poll(() => model.asked).toBe(askedBefore + 1)
      // The engine has it, and the page cannot know.
      await page.getByText(texts.pending.sending).waitFor()
      line.cut()
      await lineState(page, "reconnecting").waitFor()
      await page.getByText(texts.pending.sending).waitFor()
      line.mend()
      await comeBack(page)
      await replies(page, "writing").getByText("Heard").waitFor()
      expect(await page.getByText(texts.pending.sending).count()).toBe(0)
      goOn()
      await replies(page, "completed").waitFor()
      model.next("And this too.")
      await say(page, "Good")
      await expect.poll(() => answered(page)).toEqual(["Heard you.", "And this too."])
      expect(await said(page)).toEqual(["Did you hear me?", "Good"])
      expect(model.asked).toBe(askedBefore + 2)
    },
  )

  test("shows the same in two tabs of one browser that both talk", async () => {
    const page = await browser.signIn(engine.url)
    const other = await page.context().newPage()
    await other.goto(engine.url)
    await other.getByText("What is on your mind?").waitFor()
    const askedBefore = model.asked
    const rounds = ["one", "two", "three"]
    for (let answer = 0; answer < rounds.length * 2; answer++) model.next(`Answer ${answer}`)
    for (const round of rounds) await Promise.all([say(page, `Left ${round}`), say(other, `Right ${round}`)])
    const heard = (tab: Page) => tab.locator(".bubble, .message[data-status=completed] .prose").allInnerTexts()
    // A tab in the background lays nothing out, and what is above the window may be away while a tab scrolls.
    let shown: string[] = []
    await expect.poll(async () => (shown = (await heard(other)).filter(Boolean)).length).toBe(12)
    await page.bringToFront()
    await expect.poll(() => heard(page)).toEqual(shown)
    const words = rounds.flatMap((round) => [`Left ${round}`, `Right ${round}`])
    expect(shown.filter((text) => !text.startsWith("Answer")).toSorted()).toEqual(words.toSorted())
    expect(shown.filter((text) => text.startsWith("Answer"))).toHaveLength(6)
    expect(model.asked).toBe(askedBefore + 6)
    await page.reload()
    await expect.poll(() => heard(page)).toEqual(shown)
  })

  test("shows everything after its connection was closed because it did not read", async () => {
    const page = await browser.signIn(line.url)
    // Every close that the page hears of, by its code.
    await page.addInitScript(() => {
      const codes: number[] = []
      const Native = WebSocket
      window.WebSocket = class extends Native {
        constructor(...options: ConstructorParameters<typeof Native>) {
          super(...options)
          this.addEventListener("close", ({ code }) => codes.push(code))
        }
      }
      Object.assign(window, { closeCodes: codes })
    })
    await page.reload()
    await lineState(page, "open").waitFor()
    line.stopReading()
    // Together more than the kernel holds for a connection, and 1 MiB that the engine does.
    const lines = `${"строка ".repeat(100)}\n`.repeat(400)
    const answers = Array.from({ length: 10 }, (_, index) => `\`\`\`\n${index}${lines}\`\`\``)
    await sayFromElsewhere(
      page,
      model,
      answers.map((answer, index) => ({ text: `Tell me book ${index}`, answer })),
      engine.url,
    )
    line.readOn()
    await expect.poll(() => page.evaluate<number[]>("window.closeCodes")).toEqual([4408])
    await replies(page, "completed").locator("pre", { hasText: /^9/ }).waitFor()
    await lineState(page, "open").waitFor()
    const shown = new Set<string>()
    const asked = new Set<string>()
    const readBack = async () => {
      const codes = page.locator(".message[data-status=completed] pre")
      for (const text of await codes.allTextContents()) shown.add(`${text[0]}, ${text.length} long`)
      for (const text of await said(page)) asked.add(text)
      await page.locator(".transcript").evaluate((box) => box.scrollBy({ top: -box.clientHeight * 5 }))
      return [shown.size, asked.size]
    }
    await expect.poll(readBack).toEqual([10, 10])
    expect([...shown].toSorted()).toEqual(answers.map((_, index) => `${index}, ${1 + lines.length} long`))
  })

  test("goes on by itself with an answer whose engine was killed in its middle and started again", async () => {
    const page = await browser.signIn(line.url)
    const askedBefore = model.asked
    model.held("The first half ", "that nobody ever hears")
    await say(page, "Survive this")
    await replies(page, "writing").getByText("The first half").waitFor()
    const seen = await recordTexts(page)
    await engine.end("SIGKILL")
    await lineState(page, "reconnecting").waitFor()
    await say(page, "Are you still there?")
    await page.getByText(texts.pending.sending).waitFor()
    const whole = "The first half and the second."
    model.next(whole)
    model.next("I am.")
    await engine.startAgain()
    await expect.poll(() => answered(page)).toEqual([whole, "I am."])
    expect(await said(page)).toEqual(["Survive this", "Are you still there?"])
    expect(await page.locator(".message").count()).toBe(4)
    await lineState(page, "open").waitFor()
    expect((await seen()).filter((text) => ![whole, "I am."].some((all) => all.startsWith(text.trim())))).toEqual([])
    expect(model.asked).toBe(askedBefore + 3)
    await page.reload()
    await expect.poll(() => answered(page)).toEqual([whole, "I am."])
  })
})
