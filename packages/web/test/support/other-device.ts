import { GrizzClient } from "@grizz/client"
import type { Page } from "playwright-core"
import type { Answer, ScriptedModel } from "./scripted-model.ts"

/** Another device of the user that is signed in on a page; `url` where it has another way to the engine. */
export async function clientOf(page: Page, url = new URL(page.url()).origin): Promise<GrizzClient> {
  const token = await page.evaluate(() => JSON.parse(localStorage.getItem("grizz.session") ?? "{}").accessToken)
  return new GrizzClient({ url, token: async () => token })
}

/** Another device of the page's user says these today, one after the other, and each gets its answer. */
export async function sayFromElsewhere(
  page: Page,
  model: ScriptedModel,
  turns: readonly { text: string; answer: Answer | string }[],
  url?: string,
): Promise<void> {
  const timezone = await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone)
  const conversation = (await clientOf(page, url)).today(timezone)
  for (const { text, answer } of turns) {
    model.next(answer)
    conversation.send(text)
  }
  await conversation.until(({ messages, pending }) => pending.length === 0 && messages.length >= turns.length * 2)
  conversation.close()
}
