// Makes the pictures of docs/images/ with a real engine, a PostgreSQL of its own and the system's Chromium:
// `npm run screenshots`. With a folder (`npm run screenshots -- /tmp/pictures`), every state in every look goes there.
import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { Client } from "pg"
import type { BrowserContextOptions, Page } from "playwright-core"
import { startPostgresServer } from "../engine/test/support/postgres-server.ts"
import { PageBrowser, replies, say } from "./test/support/browser-page.ts"
import { findChromium } from "./test/support/chromium.ts"
import { CutLine } from "./test/support/cut-line.ts"
import { EngineProcess } from "./test/support/engine-process.ts"
import { ScriptedModel } from "./test/support/scripted-model.ts"

const folder = process.argv[2] ?? join(import.meta.dirname, "../../docs/images")
/** What the documentation shows. */
const shown = [
  "answer-desktop-light",
  "empty-desktop-dark",
  "earlier-day-desktop-dark",
  "streaming-phone-light",
  "search-desktop-light",
  "memory-desktop-light",
  "offline-model-phone-dark",
  "failed-phone-dark",
  "pending-phone-light",
  "days-phone-light",
  "right-to-left-phone-light",
]
const wide = { viewport: { width: 1440, height: 900 } }
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }

const answer = `Then let us begin with what is **already decided**, and leave the rest open for now.

| When | What | How sure |
| --- | --- | --- |
| Saturday | The long walk, if it stays dry | quite |
| Sunday | Bread, and a letter to your sister | very |

If you want to be reminded of the walk, this is all it takes:

\`\`\`sh
echo "boots, tea, the good map" | at 07:30 saturday
\`\`\`

1. Pack on Friday evening.
2. *Not* the phone. Or only in the bottom of the bag.

> You said last week that you wanted fewer plans. These are two.`

const started = `A good question to sleep on. I would start where it is **smallest**: one drawer, one letter, one walk around the house. What has been begun asks less of you than what`

const titles = ["Bread that does not rise", "A letter to my sister", "Walking before work", "What to keep"]
const words = [
  ["user", "The bread has not risen again. It sat there all night like a stone."],
  [
    "assistant",
    "Bread is patient with us, mostly. Was the kitchen cold? Below eighteen degrees the yeast sleeps, much as I do in *January*.\n\nGive it till noon, near the stove, and do not look before then.",
  ],
  ["user", "It was freezing in there."],
  ["assistant", "Then it is not you, and not the flour. Put it by the stove and write to your sister meanwhile."],
]

mkdirSync(folder, { recursive: true })
const model = await ScriptedModel.start()
const postgres = await startPostgresServer()
const engine = await EngineProcess.start({
  DATABASE_URL: postgres.url("postgres"),
  OPENAI_BASE_URL: model.baseUrl,
  OPENAI_API_KEY: "none",
})
const withoutModel = await EngineProcess.start({})
const browser = await PageBrowser.start(findChromium() ?? "chromium")
try {
  for (const colorScheme of ["light", "dark"] as const) {
    await takeAll(`desktop-${colorScheme}`, { ...wide, colorScheme })
    await takeAll(`phone-${colorScheme}`, { ...phone, colorScheme })
    await takeOffline(`phone-${colorScheme}`, { ...phone, colorScheme })
  }
} finally {
  await browser.stop()
  await withoutModel.stop()
  await engine.stop()
  await postgres.stop()
  await model.stop()
}

async function picture(page: Page, name: string): Promise<void> {
  if (process.argv[2] === undefined && !shown.includes(name)) return
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** The built-in model's answer, with the notice that it is one. */
async function takeOffline(name: string, look: BrowserContextOptions): Promise<void> {
  const page = await browser.visit(withoutModel.url, { ...look, reducedMotion: "reduce" })
  await page.getByRole("button", { name: "Start chatting" }).click()
  await page.getByText("What is on your mind?").waitFor()
  await say(page, "Are you there?")
  await replies(page, "completed").waitFor()
  await picture(page, `offline-model-${name}`)
  await page.context().close()
}

async function takeAll(name: string, look: BrowserContextOptions): Promise<void> {
  const options = { ...look, reducedMotion: "reduce" } as const
  const line = await CutLine.to(engine.url)
  const page = await browser.visit(line.url, options)
  const take = (state: string) => picture(page, `${state}-${name}`)
  await page.getByRole("button", { name: "Start chatting" }).waitFor()
  await take("welcome")
  await page.getByRole("button", { name: "Start chatting" }).click()
  await page.getByText("What is on your mind?").waitFor()
  await addDays(page)
  await page.reload()
  await page.getByText("What is on your mind?").waitFor()
  await take("empty")
  await page.keyboard.press("Control+k")
  const search = page.getByRole("dialog", { name: "Search what was said" })
  await search.getByRole("textbox").fill("stove")
  await search.locator("mark").first().waitFor()
  await take("search")
  await page.keyboard.press("Escape")
  const days = page.getByRole("button", { name: "Show your days" })
  if (await days.isVisible()) await days.click()
  await page.getByRole("button", { name: "What I remember" }).click()
  const memory = page.getByRole("dialog", { name: "What I remember" })
  await memory.getByText("by the stove").waitFor()
  await take("memory")
  await page.keyboard.press("Escape")
  if (await days.isVisible()) await page.keyboard.press("Escape")
  model.next(answer)
  await say(page, "Can you help me make a plan for the weekend? Nothing big.")
  await replies(page, "completed").waitFor()
  await page.locator(".transcript").evaluate((box) => box.scrollTo({ top: 0 }))
  await take("answer")
  await say(page, "And if it rains?")
  await replies(page, "failed").waitFor()
  await take("failed")
  const { promise, resolve } = Promise.withResolvers<void>()
  model.next(async (write) => {
    write(started)
    await promise
  })
  await page.getByRole("button", { name: "Ask again" }).click()
  await replies(page, "writing").getByText("than what").waitFor()
  await page.reload()
  await replies(page, "writing").getByText("than what").waitFor()
  await take("streaming")
  resolve()
  await replies(page, "writing").waitFor({ state: "detached" })
  line.cut()
  await page.getByText("Connection lost").waitFor()
  await say(page, "Into the tunnel")
  await page.getByText("Sending…").waitFor()
  await take("pending")
  line.mend()
  await page.getByRole("button", { name: "Try now" }).click()
  const drawer = page.getByRole("button", { name: "Show your days" })
  if (await drawer.isVisible()) await drawer.click()
  await take("days")
  await page.getByRole("link", { name: "Yesterday" }).click()
  await page.locator(".message").getByText("patient").waitFor()
  await take("earlier-day")
  await page.evaluate(() => localStorage.setItem("grizz.language", "ar"))
  await page.goto(`${line.url}/#/`)
  await page.reload()
  await page.locator(".message").first().waitFor()
  await take("right-to-left")
  await page.context().close()
  await line.stop()
}

/** Three weeks of days before today, with a word or two. */
async function addDays(page: Page): Promise<void> {
  const userId = await page.evaluate(() => JSON.parse(localStorage.getItem("grizz.session") ?? "{}").userId)
  const client = new Client({ connectionString: postgres.url("postgres") })
  client.on("error", () => {})
  await client.connect()
  await client.query(
    "insert into grizz.memories (id, user_id, kind, text, is_pinned) values ($1, $2, 'note', 'My sister is called Ida.', true)",
    [randomUUID(), userId],
  )
  for (const ago of [1, 2, 3, 5, 8, 9, 12, 13, 14, 20, 33, 34]) {
    const conversation = randomUUID()
    const day = new Date(Date.now() - ago * 86_400_000).toISOString()
    await client.query(
      "insert into conversations (id, user_id, title, conv_day, timezone, created_at, updated_at) values ($1, $2, $3, $4, 'UTC', $5, now())",
      [conversation, userId, titles[ago % titles.length], day.slice(0, 10), day],
    )
    for (const [position, [role, content]] of words.entries()) {
      await client.query(
        "insert into messages (id, conversation_id, user_id, role, content, position, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
        [randomUUID(), conversation, userId, role, content, position, day],
      )
    }
    if (ago === 2) await addMemories(client, conversation)
  }
  await client.end()
}

/** What was derived from a conversation. */
async function addMemories(client: Client, conversation: string): Promise<void> {
  for (const [kind, text, positions] of [
    ["fact", "Bakes bread; the kitchen is freezing at night.", [0, 2]],
    [
      "summary",
      "The bread had not risen in the cold. It is by the stove now, and there is a letter to write.",
      [0, 1, 2, 3],
    ],
  ]) {
    await client.query(
      `with made as (
        insert into grizz.memories (id, user_id, kind, text, day, valid_from)
        select $1, user_id, $2, $3, conv_day, created_at from conversations where id = $4 returning id
      )
      insert into grizz.memory_sources (memory_id, message_id)
      select made.id, m.id from made, messages m where m.conversation_id = $4 and m.position = any ($5)`,
      [randomUUID(), kind, text, conversation, positions],
    )
  }
}
