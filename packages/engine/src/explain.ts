import { explainPrompt, type PromptPart } from "./agents/explanation.ts"
import { loadPersona } from "./agents/persona.ts"
import { loadTokenCounter } from "./agents/token-count.ts"
import type { ChatConfig } from "./core/config.ts"
import { terminalText } from "./core/terminal-text.ts"
import type { Database } from "./db/database.ts"
import { PostgresReplyOriginStore } from "./db/postgres-reply-origin-store.ts"
import type { ReplyOrigin } from "./memory-ports.ts"

/**
 * What a reply was made with, as text for a terminal: the parts of its prompt with their tokens, from the database.
 * @throws Error in one sentence when there is no such reply
 */
export async function explain(database: Database, replyId: string, config: ChatConfig): Promise<string> {
  const origin = await new PostgresReplyOriginStore(database).find(replyId, config.contextMessages)
  if (origin === null) throw new Error("There is no reply with this id.")
  const persona = await loadPersona(config.personaFile ?? undefined)
  const parts = explainPrompt(origin, persona, await loadTokenCounter())
  const total = parts.reduce((sum, { tokens }) => sum + tokens, 0)
  const lines = [headOf(origin), "", ...parts.flatMap((part) => [...linesOf(part), ""]), `in all: ${tokensOf(total)}`]
  return terminalText(lines.join("\n"))
}

function headOf({ replyId, createdAt, status, model, usage }: ReplyOrigin): string {
  const counted =
    usage === null ? "" : `; the model counted ${tokensOf(usage.inputTokens)} in, ${usage.outputTokens} out`
  return `Reply ${replyId} of ${createdAt}: ${status}${model === null ? "" : ` by ${model}`}${counted}`
}

function linesOf({ name, tokens, items, notes }: PromptPart): string[] {
  return [
    items.length === 0 ? `${name}: none` : `${name}: ${tokensOf(tokens)}`,
    ...notes.map((note) => `  (${note})`),
    ...items.flatMap((item) => [`  ${item.label}: ${tokensOf(item.tokens)}`, ...indented(item.text)]),
  ]
}

const indented = (text: string) => text.split("\n").map((line) => `    ${line}`)

const tokensOf = (count: number) => (count === 1 ? "1 token" : `${count} tokens`)
