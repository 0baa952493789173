import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { PageBrowser } from "../../../web/test/support/browser-page.ts"
import { findChromium } from "../../../web/test/support/chromium.ts"
import { RealEngine } from "../engine/real-engine.ts"
import { type DocExample, ExampleFolder, readExamples } from "./doc-examples.ts"

const chromium = findChromium()
const real = new RealEngine()
let examples: DocExample[]
let folder: ExampleFolder

beforeAll(async () => {
  examples = await readExamples()
})
beforeEach(async () => {
  folder = await ExampleFolder.write(examples, real.line.url)
})
afterEach(() => folder.remove())

/** What the model says to each request, one after the other. */
function answers(...texts: string[]): void {
  for (const text of texts) {
    real.model.say(text)
    real.model.finish()
  }
}

const today = () => new Date().toISOString().slice(0, 10)

/** What is to be said by the model, and printed by the example. */
const programs: Record<string, { answer: () => void; printed: () => string }> = {
  "first-chat/chat.ts": {
    answer: () => answers("I am Grizz."),
    printed: () => "I am Grizz.\n",
  },
  "first-chat/stream.ts": {
    answer: () => answers("Once upon a time."),
    printed: () => "Once upon a time.",
  },
  "supabase-sign-in/client.ts": {
    answer: () => answers("I do."),
    printed: () => "I do.\n",
  },
  "background-and-resume/resume.ts": {
    answer: () => {
      real.model.say("It begins")
      answers(", and it ends.")
    },
    printed: () => "It begins, and it ends.\n",
  },
  "background-and-resume/midnight.ts": {
    answer: () => answers("Good evening."),
    printed: () => `${today()} false\n`,
  },
  "search/search.ts": {
    answer: () => answers("I remember the boat."),
    printed: () => `${today()} user went, lakes\n`,
  },
  "errors/errors.ts": {
    answer: () => {
      real.model.say({ status: 400 })
      answers("Loud and clear.")
    },
    printed: () => "not_found 404\nmodel_refused false\nCan you hear me? / Loud and clear.\nnot_found\n",
  },
  "errors/abort.ts": {
    answer: () => {},
    printed: () => "TimeoutError\n",
  },
}

/** Examples for a page: what is done there, and what is then to be seen. */
const onPages: Record<string, (page: Page) => Promise<void>> = {
  "first-chat/chat.tsx": async (page) => {
    await say(page, "Hello from a page")
    await page.getByText("Hello from a page", { exact: true }).waitFor()
    real.model.say("Not so ")
    await page.locator("p[aria-busy]").getByText("Not so").waitFor()
    answers("good.")
    await page.getByText("Not so good.").waitFor()
    await page.getByRole("button", { name: "Answer again" }).click()
    answers("Better.")
    await page.getByText("Better.").waitFor()
    expect(await page.getByText("Not so good.").count()).toBe(0)
  },
  "react-native/chat.tsx": async (page) => {
    await say(page, "Hello from a phone")
    answers("Hello, phone.")
    await page.getByText("Hello, phone.").waitFor()
    expect(await page.locator("p").allInnerTexts()).toEqual(["Hello from a phone", "Hello, phone."])
  },
  "background-and-resume/indexed-db.ts": async (page) => {
    answers("Here I am.")
    await page.waitForFunction(() => document.title === "Here I am.")
    const databases = await page.evaluate(() => indexedDB.databases())
    expect(databases.map(({ name }) => name)).toEqual(["grizz"])
  },
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text)
  await page.getByRole("button", { name: "Send" }).click()
}

describe("the examples of the SDK's pages", () => {
  test("are all run below, and nothing is run that is not on a page", () => {
    const names = examples.map(({ name }) => name)
    expect([...Object.keys(programs), ...Object.keys(onPages)].sort()).toEqual(names.sort())
  })

  test("compile", async () => {
    expect(await folder.complaints()).toBe("")
  })

  test.each(Object.entries(programs))("%s runs to its end", async (name, { answer, printed }) => {
    answer()
    expect(await folder.output(name, real.line.url)).toBe(printed())
  })
})

describe.skipIf(chromium === null)(`in a browser${chromium === null ? ": no Chromium found" : ""}`, () => {
  let browser: PageBrowser

  beforeAll(async () => {
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(() => browser.closePages())
  afterAll(() => browser.stop())

  test.each(Object.entries(onPages))("%s runs", async (name, use) => {
    const page = await browser.visit(`${real.line.url}/health`, { bypassCSP: true, timezoneId: "UTC" })
    await page.evaluate(() => document.body.replaceChildren())
    await page.addScriptTag({ content: await folder.script(name), type: "module" })
    await use(page)
  })
})
