import { inflateSync } from "node:zlib"
import type { Locator, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { findingsIn } from "./support/accessibility.ts"
import { desktop, PageBrowser, phone, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()

const everyKindOfMarkdown = `# A heading

Some **bold**, *italic*, \`code\` and a [link](https://example.com/a) in one line.

1. One
2. Two
   - nested

- [x] done
- [ ] open

\`\`\`ts
const line = "long enough that it does not fit into the width of any phone that is held upright, surely"
\`\`\`

| Column | Another | A third | And one that is much wider than the others |
| --- | --- | --- | --- |
| ${"cell ".repeat(5)} | b | c | https://example.com/${"a".repeat(60)} |

> A quotation

${"averylongwordwithoutanybreak".repeat(8)}

مرحبا، هذه فقرة بالعربية.`

const attacks = `<script>window.pwned = 1</script>

<img src="https://evil.example/a.png" onerror="window.pwned = 2">

![remote](https://evil.example/b.png "tracker")

[run](javascript:window.pwned=3) [data](data:text/html,<script>window.pwned=4</script>) [vb](vbscript:x)

<iframe src="https://evil.example/"></iframe><svg onload="window.pwned=5"></svg>

[chat](irc://evil.example/x) [inside](/conversations) [file](file:///etc/passwd)

[reference][1] <javascript:window.pwned=6> [odd](JaVaScRiPt&#58;window.pwned=7)

<a href="https://evil.example" onclick="window.pwned=8">a</a><style>body{display:none}</style>

[good](https://example.com/good) and me@example.com

[1]: javascript:window.pwned=9`

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : ", its quality"}`, () => {
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

  test.each([
    ["a phone, light", phone, "light"],
    ["a phone, dark", phone, "dark"],
    ["a desktop, light", desktop, "light"],
    ["a desktop, dark", desktop, "dark"],
  ] as const)("is accessible in every state on %s", async (_, size, colorScheme) => {
    const page = await browser.visit(engine.url, { ...size, colorScheme, reducedMotion: "reduce" })
    await page.getByRole("button", { name: "Start chatting" }).waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.getByRole("button", { name: "Start chatting" }).click()
    await page.getByText("What is on your mind?").waitFor()
    expect(await findingsIn(page)).toEqual([])

    const { promise, resolve } = Promise.withResolvers<void>()
    model.next(async (write) => {
      write(everyKindOfMarkdown)
      await promise
    })
    await say(page, "Everything, please")
    await replies(page, "writing").getByText("averylongword").waitFor()
    expect(await findingsIn(page)).toEqual([])
    resolve()
    await replies(page, "completed").waitFor()
    await say(page, "And now fail")
    await replies(page, "failed").waitFor()
    expect(await findingsIn(page)).toEqual([])
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)

    if (size === phone) {
      await page.getByRole("button", { name: "Show your days" }).click()
      await page.getByRole("dialog").waitFor()
      expect(await findingsIn(page)).toEqual([])
    }
    await page.getByRole("button", { name: "What I remember", exact: true }).click()
    const memory = page.getByRole("dialog", { name: "What I remember" })
    await memory.getByRole("textbox", { name: "Something to remember" }).fill("averylongword".repeat(40))
    await memory.getByRole("button", { name: "Remember", exact: true }).click()
    await memory.getByRole("listitem").waitFor()
    expect(await findingsIn(page)).toEqual([])
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)
    await page.keyboard.press("Escape")

    await page.keyboard.press("Control+k")
    const search = page.getByRole("dialog", { name: "Search what was said" })
    await search.getByText("on whatever day").waitFor()
    expect(await findingsIn(page)).toEqual([])
    await search.getByRole("textbox").fill("everything please")
    await search.locator("mark").first().waitFor()
    await page.keyboard.press("ArrowDown")
    expect(await findingsIn(page)).toEqual([])
    await page.keyboard.press("Enter")
    await page.locator("[data-sought]").waitFor()
    expect(await findingsIn(page)).toEqual([])
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)
  })

  test("runs nothing that a model writes, and loads nothing from elsewhere", async () => {
    const page = await browser.signIn(engine.url)
    const foreign: string[] = []
    page.on("request", (request) => {
      const from = new URL(request.url())
      if (from.host !== new URL(engine.url).host) foreign.push(request.url())
    })
    model.next(attacks)
    await say(page, "Attack me")
    await replies(page, "completed").waitFor()
    const prose = replies(page, "completed").locator(".prose")
    expect(await prose.locator("script, img, iframe, svg[onload], style, object, embed, form").count()).toBe(0)
    const links = await prose
      .locator("a")
      .evaluateAll((all) =>
        all.map((link) => [link.getAttribute("href"), link.getAttribute("target"), link.getAttribute("rel")]),
      )
    const safe = ["_blank", "noopener noreferrer"]
    expect(links).toEqual([
      ["https://evil.example/b.png", ...safe],
      ["https://example.com/good", ...safe],
      ["mailto:me@example.com", ...safe],
    ])
    // What was meant as HTML is there to be read.
    expect(await prose.innerText()).toContain("<script>window.pwned = 1</script>")
    expect(await page.evaluate("window.pwned")).toBeUndefined()
    expect(foreign).toEqual([])
  })

  test("speaks another language from right to left, mirrored and accessible, when the reader chooses it", async () => {
    const page = await browser.signIn(engine.url)
    await page.getByRole("combobox", { name: "Language" }).selectOption("ar")
    await page.getByText("ما الذي يشغل بالك؟").waitFor()
    expect(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir])).toEqual([
      "ar",
      "rtl",
    ])
    expect(await findingsIn(page)).toEqual([])
    const sidebar = await page.getByRole("navigation").boundingBox()
    expect(sidebar?.x).toBeGreaterThan(desktop.viewport.width / 2)
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)
    await page.setViewportSize(phone.viewport)
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)
    await page.keyboard.press("Control+k")
    await page.getByRole("dialog").waitFor()
    expect(await findingsIn(page)).toEqual([])
    expect(await overflowPx(page)).toBeLessThanOrEqual(0)
  })

  test.each([
    ["light", "en"],
    ["dark", "en"],
    ["light", "ar"],
  ] as const)("shows at which edge code and a table go on, %s, in %s", async (colorScheme, language) => {
    const page = await browser.signIn(engine.url, { ...phone, colorScheme })
    await page.evaluate((chosen) => localStorage.setItem("grizz.language", chosen), language)
    await page.reload()
    // The first letter gives an answer its direction, and so its tables.
    model.next(`${language === "ar" ? "مرحبا" : "Hello"}\n\n${everyKindOfMarkdown}`)
    await page.locator("#message").fill("What is wide?")
    await page.locator("#message").press("Enter")
    await replies(page, "completed").waitFor()
    for (const box of [page.locator(".code pre"), page.locator(".table-scroll")]) {
      // In RTL the beginning is at the right, and positions are negative.
      const scrollTo = (left: number) => box.evaluate((element, to) => element.scrollTo({ left: to }), left)
      const [beginning, end] = (await box.evaluate((element) => getComputedStyle(element).direction === "rtl"))
        ? ["right", "left"]
        : ["left", "right"]
      await box.scrollIntoViewIfNeeded()
      await scrollTo(0)
      await expect.poll(() => shadedEdges(page, box)).toEqual([end])
      await scrollTo(end === "right" ? 60 : -60)
      await expect.poll(() => shadedEdges(page, box)).toEqual(["left", "right"])
      await scrollTo(end === "right" ? 100_000 : -100_000)
      await expect.poll(() => shadedEdges(page, box)).toEqual([beginning])
    }
  })

  test("copies a code block as it was written", async () => {
    const page = await browser.signIn(engine.url, { ...desktop, permissions: ["clipboard-read", "clipboard-write"] })
    model.next("```sh\nnpm ci && npm start\n```")
    await say(page, "How do I start it?")
    await replies(page, "completed").waitFor()
    await page.getByRole("button", { name: "Copy" }).click()
    await page.getByRole("button", { name: "Copied" }).waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("npm ci && npm start\n")
  })

  test("says when the offline model answers, and that Grizz is an AI", async () => {
    const offline = await EngineProcess.start({ OPENAI_BASE_URL: "", OPENAI_API_KEY: "" })
    const page = await browser.signIn(offline.url)
    expect(await page.getByText("Offline model.").isVisible()).toBe(true)
    expect(await page.getByText("Grizz is an AI").isVisible()).toBe(true)
    expect(await findingsIn(page)).toEqual([])
    await page.getByRole("button", { name: "Tell me something good about bears." }).click()
    await replies(page, "completed").getByText("offline").first().waitFor()
    const connected = await browser.signIn(engine.url)
    expect(await connected.getByText("Offline model.").count()).toBe(0)
    await offline.stop()
  })

  test("says that Supabase signs in, and takes a token, where the engine is set up so", async () => {
    const supabase = await EngineProcess.start({
      SUPABASE_JWT_SECRET: "a secret of at least thirty-two bytes",
      SUPABASE_URL: "http://127.0.0.1:9",
      OPENAI_BASE_URL: model.baseUrl,
    })
    const page = await browser.visit(supabase.url, phone)
    await page.getByRole("heading", { name: "Sign in" }).waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.getByLabel("Access token").fill("not a token")
    await page.getByRole("button", { name: "Use this token" }).click()
    await page.getByText("Your sign-in has ended.").waitFor()
    await page.getByRole("button", { name: "Sign in again" }).click()
    await page.getByLabel("Access token").waitFor()
    await supabase.stop()
  })
})

/** How far the page reaches beyond the width of its window. */
async function overflowPx(page: Page): Promise<number> {
  return page.evaluate(() => {
    const boxes = [document.documentElement, document.body, ...document.querySelectorAll(".transcript, .main")]
    return Math.max(...boxes.map((box) => box.scrollWidth - box.clientWidth))
  })
}

/** Which edges of a box that scrolls look different from its middle, along its upper padding. */
async function shadedEdges(page: Page, box: Locator): Promise<string[]> {
  const { x = 0, y = 0, width = 0 } = (await box.boundingBox()) ?? {}
  const at = async (left: number) => colourAt(page, Math.round(left), Math.ceil(y) + 1)
  const middle = await at(x + width / 2)
  const edges = { left: await at(x + 2), right: await at(x + width - 3) }
  const isShaded = (edge: number[]) => edge.some((part, index) => Math.abs(part - (middle[index] ?? 0)) > 8)
  return Object.entries(edges).flatMap(([name, edge]) => (isShaded(edge) ? [name] : []))
}

/** Red, green and blue of one pixel: after its filter, the only thing that a picture of this size holds. */
async function colourAt(page: Page, x: number, y: number): Promise<number[]> {
  const png = await page.screenshot({ clip: { x, y, width: 1, height: 1 } })
  const data: Buffer[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT")
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  }
  return [...inflateSync(Buffer.concat(data))].slice(1, 4)
}
