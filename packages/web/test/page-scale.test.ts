import { join } from "node:path"
import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { openEmbeddedDatabase } from "../../engine/src/db/embedded-database.ts"
import { longAnswer } from "./fixtures/long-answer.ts"
import { PageBrowser, replies, say } from "./support/browser-page.ts"
import { findChromium } from "./support/chromium.ts"
import { EngineProcess } from "./support/engine-process.ts"
import { clientOf } from "./support/other-device.ts"
import { ScriptedModel } from "./support/scripted-model.ts"

const chromium = findChromium()

describe.skipIf(chromium === null)(`page${chromium === null ? ": no Chromium found" : " with much text"}`, () => {
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

  test("reads 10,000 messages back to the first without a jump, and keeps few of them in the document", async () => {
    const count = 10_000
    const page = await browser.signIn(engine.url)
    const timezone = await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone)
    const { id } = await (await clientOf(page)).call("GET /conversations/today", { query: { tz: timezone } })
    await engine.end("SIGTERM")
    await seed(engine, id, count)
    await engine.startAgain()
    const pages: string[] = []
    page.on("request", (request) => {
      if (request.url().includes("/messages?")) pages.push(request.url())
    })
    await page.reload()
    await page.getByText("Message number 4999", { exact: true }).waitFor()
    const hard = await readBack(page, 4_600, 300)
    expect(hard.jumps).toEqual([])
    const newest = Array.from({ length: 400 }, (_, index) => 4_600 + index)
    expect(hard.seen).toEqual(expect.arrayContaining(newest))
    const wild = await readBack(page, 0, 2_000)
    const longTasks = hard.longTasksMs.length + wild.longTasksMs.length
    const { jumps, mostElements, frames } = wild
    process.stdout.write(`10,000 messages read back: ${JSON.stringify({ jumps, mostElements, frames, longTasks })}\n`)
    // Faster than anyone scrolls: where the machine stalls, what comes may be shown before it was measured.
    expect(jumps.length).toBeLessThanOrEqual(3)
    expect(wild.seen.length).toBeGreaterThan(4_000)
    // Each message has some ten, and only what is around the window is there.
    expect(mostElements).toBeLessThan(6_000)
    // One page came with the connection. Each of the others is asked for once.
    expect(new Set(pages).size).toBe(pages.length)
    expect(pages.length).toBeLessThanOrEqual(count / 50)
    await page.getByRole("button", { name: "Jump to newest" }).click()
    await page.getByText("Message number 4999", { exact: true }).waitFor()

    // A hit of the search, so far back.
    const [hit] = (
      await (await clientOf(page)).call("GET /conversations/{id}/messages", { id, query: { before: "501", limit: 1 } })
    ).data
    pages.splice(0)
    await page.goto(`${engine.url}/#/messages/${hit!.id}`)
    await page.reload()
    await page.waitForFunction(() => document.activeElement?.textContent.includes("Message number 250"))
    expect(pages.length).toBeLessThanOrEqual(count / 200)
  }, 600_000)

  test("makes the elements of an answer of 15,000 characters once, while it is written piece by piece", async () => {
    const page = await browser.signIn(engine.url)
    model.next(async (write) => {
      for (const piece of longAnswer.match(/.{1,12}/gsu) ?? []) {
        write(piece)
        await new Promise((resolve) => setTimeout(resolve, 4))
      }
    })
    const made = await watchWriting(page)
    await say(page, "Tell me everything")
    await replies(page, "completed").waitFor()
    await expect.poll(() => replies(page, "completed").locator("h3").count()).toBe(longAnswer.match(/^## /gm)?.length)
    const { elements, longTasksMs } = await made()
    const kept = await page.locator(".prose *").count()
    process.stdout.write(`15,000 characters written: ${JSON.stringify({ elements, kept, longTasksMs })}\n`)
    expect(kept).toBeGreaterThan(300)
    // What is half written may have to be made anew (a list that becomes one), what is finished never.
    expect(elements).toBeLessThan(kept * 2)
  })
})

/** Half of them the user's, "Message number 0" to the newest, each with an answer of another length. */
async function seed(engine: EngineProcess, conversationId: string, count: number): Promise<void> {
  const database = await openEmbeddedDatabase({ directory: join(engine.dataFolder, "postgres") })
  const text = `insert into public.messages (id, conversation_id, user_id, role, content, position, created_at)
    select gen_random_uuid(), c.id, case when n.i % 2 = 0 then c.user_id end,
      case when n.i % 2 = 0 then 'user' else 'assistant' end,
      case when n.i % 2 = 0 then 'Message number ' || n.i / 2
        else 'Answer ' || n.i / 2 || repeat(' with *some* words', n.i * 7 % 41) || repeat(E'\\n\\n- and a point', n.i % 4) end,
      n.i, c.created_at + n.i * interval '1 millisecond'
    from public.conversations c, generate_series(0, $2::integer - 1) n (i) where c.id = $1::uuid`
  await database.query({ name: "seed", text }, [conversationId, count])
  await database.close()
}

interface ReadBack {
  /** Numbers of the user's messages that were in the document. */
  seen: number[]
  /** Where what was in the middle of the window moved against the scrolling, or further than it. */
  jumps: string[]
  mostElements: number
  frames: number
  longTasksMs: number[]
}

/** Scrolls up, so far a frame, until a message of the user is in the document. */
function readBack(page: Page, first: number, stepPx: number): Promise<ReadBack> {
  const message = { text: `Message number ${first}`, stepPx }
  return page.evaluate(async ({ text, stepPx }) => {
    const box = document.querySelector(".transcript")
    if (box === null) throw new Error("no transcript")
    const { left, top, width, height, bottom } = box.getBoundingClientRect()
    const middle = () => document.elementFromPoint(left + width / 2, top + height / 2)?.closest(".row") ?? null
    const seen = new Set<number>()
    const jumps: string[] = []
    const longTasksMs: number[] = []
    let mostElements = 0
    let frames = 0
    const look = () => {
      mostElements = Math.max(mostElements, document.querySelectorAll("*").length)
      for (const bubble of document.querySelectorAll(".bubble")) seen.add(Number(bubble.textContent.split(" ").at(-1)))
    }
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longTasksMs.push(duration)
    }).observe({ type: "longtask" })
    const isThere = () => [...document.querySelectorAll(".bubble")].some((bubble) => bubble.textContent === text)
    let row = middle()
    let topPx = row?.getBoundingClientRect().top ?? 0
    /** Looks where the row is that was in the middle: it may have gone down by so much, and no further. */
    const follow = (mostPx: number) => {
      const moved = (row?.getBoundingClientRect().top ?? 0) - topPx
      // What has been scrolled out of the window need not be in the document any more.
      const isAway = row?.isConnected === false
      const isJump = isAway ? topPx + mostPx < bottom : moved < -2 || moved > mostPx + 2
      if (isJump) jumps.push(isAway ? `away in frame ${frames}` : `${moved} px in frame ${frames}`)
      row = middle()
      topPx = row?.getBoundingClientRect().top ?? 0
    }
    for (; !isThere(); frames++) {
      // As a reader's scrolling does: before the frame that shows it, and not in its middle.
      await new Promise((resolve) => setTimeout(resolve))
      follow(0)
      box.scrollBy({ top: -stepPx })
      await new Promise(requestAnimationFrame)
      follow(stepPx)
      look()
    }
    return { seen: [...seen], jumps, mostElements, frames, longTasksMs }
  }, message)
}

/** How many elements have been made in answers from now on, and the tasks that took longer than 50 ms. */
async function watchWriting(page: Page): Promise<() => Promise<{ elements: number; longTasksMs: number[] }>> {
  await page.evaluate(() => {
    let elements = 0
    const longTasksMs: number[] = []
    new MutationObserver((records) => {
      for (const { addedNodes } of records) {
        for (const node of addedNodes) {
          if (!(node instanceof Element)) continue
          if (node.closest(".prose") !== null) elements += 1 + node.querySelectorAll("*").length
        }
      }
    }).observe(document.body, { childList: true, subtree: true })
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longTasksMs.push(duration)
    }).observe({ type: "longtask" })
    Object.assign(window, { written: () => ({ elements, longTasksMs }) })
  })
  return () => page.evaluate("window.written()")
}
