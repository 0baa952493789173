import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { texts } from "../src/texts.ts"
import { findingsIn } from "./support/accessibility.ts"
import { AuthServer } from "./support/auth-server.ts"
import { PageBrowser, phone, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { CutLine } from "./support/cut-line.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()
const email = "bear@example.com"

describe.skipIf(chromium === null)(`Supabase sign-in${chromium === null ? ": no Chromium found" : ""}`, () => {
  let auth: AuthServer
  let model: ScriptedModel
  let engine: EngineProcess
  let browser: PageBrowser

  beforeAll(async () => {
    auth = await AuthServer.start()
    auth.addUser(email, "honey")
    model = await ScriptedModel.start()
    engine = await EngineProcess.start({
      SUPABASE_URL: auth.url,
      SUPABASE_PUBLISHABLE_KEY: auth.publishableKey,
      OPENAI_BASE_URL: model.baseUrl,
      OPENAI_API_KEY: "none",
    })
    browser = await PageBrowser.start(chromium ?? "")
  })
  afterEach(async () => {
    auth.tokenSeconds = 3_600
    await browser.closePages()
  })
  afterAll(async () => {
    await browser.stop()
    await engine.stop()
    await model.stop()
    await auth.stop()
  })

  const signInButton = (page: Page) => page.getByRole("button", { name: texts.signIn.withPassword, exact: true })
  const linkButton = (page: Page) => page.getByRole("button", { name: texts.signIn.withLink })
  const emptyDay = (page: Page) => page.getByText(texts.transcript.emptyLead)

  async function signIn(page: Page, as = email, password = "honey"): Promise<void> {
    await page.getByLabel(texts.signIn.email).fill(as)
    await page.getByLabel(texts.signIn.password).fill(password)
    await signInButton(page).click()
  }

  /** A user of one test's own. */
  async function freshUser(prepare: (page: Page) => void = () => {}): Promise<Page> {
    const own = `${crypto.randomUUID()}@example.com`
    auth.addUser(own, "honey")
    const page = await browser.visit(engine.url)
    prepare(page)
    await signIn(page, own)
    await emptyDay(page).waitFor()
    return page
  }

  test("by password leads to the chat, lasts over a reload, and ends with a sign-out", async () => {
    const page = await freshUser()
    model.next("I know you.")
    await say(page, "Do you know me?")
    await replies(page, "completed").getByText("I know you.").waitFor()
    await page.reload()
    await replies(page, "completed").getByText("I know you.").waitFor()
    await page.getByRole("button", { name: texts.days.signOut }).click()
    await signInButton(page).waitFor()
    expect(auth.requests).toContain("POST /logout")
    await page.reload()
    await signInButton(page).waitFor()
    expect(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("supabase")))).toEqual([])
  })

  test("tells in words what is wrong, and is accessible", async () => {
    const page = await browser.visit(engine.url, phone)
    await signIn(page, email, "not honey")
    await page
      .getByRole("alert")
      .getByText(texts.signIn.problems["invalid_credentials"] ?? "")
      .waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.getByLabel(texts.signIn.email).fill("flood@example.com")
    await linkButton(page).click()
    await page
      .getByRole("alert")
      .getByText(texts.signIn.problems["over_email_send_rate_limit"] ?? "")
      .waitFor()
    await page.context().setOffline(true)
    await signInButton(page).click()
    await page
      .getByRole("alert")
      .getByText(texts.signIn.problems["network"] ?? "")
      .waitFor()
    await page.context().setOffline(false)
    await signIn(page)
    await emptyDay(page).waitFor()
  })

  test("by a link from a letter leads to the chat, once, and leaves nothing in the address", async () => {
    const page = await browser.visit(engine.url)
    await page.getByLabel(texts.signIn.email).fill("new@example.com")
    await linkButton(page).click()
    await page.getByText(texts.signIn.linkSent("new@example.com")).waitFor()
    const { link } = auth.letters.at(-1) ?? { link: "" }
    await page.goto(link)
    await emptyDay(page).waitFor()
    expect(page.url()).toBe(`${engine.url}/`)
    await page.getByRole("button", { name: texts.days.signOut }).click()
    await signInButton(page).waitFor()
    await page.goto(link)
    await page.getByText(texts.signIn.problems["otp_expired"] ?? "").waitFor()
    expect(page.url()).toBe(`${engine.url}/`)
  })

  test("by a link that is opened in another browser says where it belongs", async () => {
    const page = await browser.visit(engine.url)
    await page.getByLabel(texts.signIn.email).fill("elsewhere@example.com")
    await linkButton(page).click()
    await page.getByText(texts.signIn.linkSent("elsewhere@example.com")).waitFor()
    const other = await browser.visit(auth.letters.at(-1)?.link ?? "")
    await other.getByText(texts.signIn.problems["foreign_link"] ?? "").waitFor()
    expect(other.url()).toBe(`${engine.url}/`)
  })

  test("is renewed under a running reply, on the connection that is open", async () => {
    // The engine warns a minute before the end, so about two seconds from now.
    auth.tokenSeconds = 62
    const sent: string[] = []
    let sockets = 0
    const page = await freshUser((fresh) =>
      fresh.on("websocket", (socket) => {
        sockets++
        socket.on("framesent", ({ payload }) => sent.push(String(payload)))
      }),
    )
    auth.tokenSeconds = 3_600
    const { promise, resolve } = Promise.withResolvers<void>()
    model.next(async (write) => {
      write("Before, ")
      await promise
      write("and after.")
    })
    await say(page, "Take your time")
    await replies(page, "writing").getByText("Before,").waitFor()
    const renewals = () => sent.filter((frame) => frame.includes('"auth.refresh"')).length
    await expect.poll(renewals).toBe(1)
    resolve()
    await replies(page, "completed").waitFor()
    expect(await replies(page, "completed").locator(".prose").innerText()).toBe("Before, and after.")
    expect(sockets).toBe(1)
  })

  test("of one tab is the other's too, and so is the sign-out", async () => {
    const page = await freshUser()
    const second = await page.context().newPage()
    await second.goto(engine.url)
    await emptyDay(second).waitFor()
    await page.getByRole("button", { name: texts.days.signOut }).click()
    await signInButton(second).waitFor()
  })

  test("says so when the project ends it, and keeps for its user alone what is not sent yet", async () => {
    const line = await CutLine.to(engine.url)
    const own = `${crypto.randomUUID()}@example.com`
    for (const one of [own, `not-${own}`]) auth.addUser(one, "honey")
    const page = await browser.visit(line.url)
    // So short that it is renewed before every use, and over soon when that is refused.
    auth.tokenSeconds = 5
    await signIn(page, own)
    await emptyDay(page).waitFor()
    line.cut()
    await say(page, "Not for others")
    await page.getByText(texts.pending.sending).waitFor()
    auth.forgetRefreshTokens()
    // By the connection that it ends, or by the sign-in in its place, whichever notices first.
    await page.getByText(texts.connection.closed.unauthenticated ?? "").waitFor()
    expect(await findingsIn(page)).toEqual([])
    await page.getByRole("button", { name: texts.connection.signIn }).or(signInButton(page)).click()
    auth.tokenSeconds = 3_600
    line.mend()
    await signIn(page, `not-${own}`)
    await emptyDay(page).waitFor()
    await page.getByText(texts.connection.states.open, { exact: true }).waitFor()
    expect(await page.locator(".bubble").count()).toBe(0)
    await page.getByRole("button", { name: texts.days.signOut }).click()
    model.next("It came through.")
    await signIn(page, own)
    await replies(page, "completed").getByText("It came through.").waitFor()
    expect(await page.locator(".bubble").allInnerTexts()).toEqual(["Not for others"])
    await line.stop()
  })

  test("may be called by the page, and nothing else outside", async () => {
    const policy = (await fetch(engine.url)).headers.get("content-security-policy") ?? ""
    expect(policy).toContain(`connect-src 'self' ${auth.url};`)
    expect(policy).not.toContain("unsafe")
  })
})

test("an engine without Supabase serves a page that loads none of it, and that may call nobody else", async () => {
  const engine = await EngineProcess.start({ OPENAI_BASE_URL: "", OPENAI_API_KEY: "" })
  const policy = (await fetch(engine.url)).headers.get("content-security-policy") ?? ""
  expect(policy).toContain("connect-src 'self';")
  expect(policy).not.toContain("unsafe")
  await engine.stop()
})
