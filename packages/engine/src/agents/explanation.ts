import type { PromptMessage, ReplyOrigin } from "../memory-ports.ts"
import { type DataBlock, dataBlock, dataLines } from "./data-block.ts"
import { memoryBlock } from "./memory-block.ts"
import type { Persona } from "./persona.ts"
import { tokensAroundMessage } from "./prompt.ts"
import { quoteBlock, quotedText } from "./quote-block.ts"
import type { CountTokens } from "./token-count.ts"

/** One part of a prompt, rebuilt from what is stored. */
export interface PromptPart {
  name: "persona" | "memories" | "quotes" | "window" | "message"
  /** With what the format around its messages costs. */
  tokens: number
  /** What it is made of, in the order of the prompt, each with its own tokens. */
  items: { label: string; text: string; tokens: number }[]
  /** What cannot be told any more, in sentences. */
  notes: string[]
}

/** The parts of the prompt that a reply was made with, in its order. */
export function explainPrompt(origin: ReplyOrigin, persona: Persona, countTokens: CountTokens): PromptPart[] {
  const of = (label: string, text: string) => ({ label, text, tokens: countTokens(text) })
  return [
    personaPart(origin, persona, of),
    memoriesPart(origin, countTokens, of),
    quotesPart(origin, countTokens, of),
    ...windowParts(origin, of),
  ]
}

type Item = PromptPart["items"][number]
type Of = (label: string, text: string) => Item

function personaPart({ used }: ReplyOrigin, { name, version, systemPrompt }: Persona, of: Of): PromptPart {
  const notes = ["This is the persona as it is configured now."]
  if (used !== null && used.persona !== version) notes.push(`The reply was made with its version ${used.persona}.`)
  return part("persona", [of(`${name}, version ${version}`, systemPrompt)], notes)
}

function memoriesPart({ used, memories }: ReplyOrigin, countTokens: CountTokens, of: Of): PromptPart {
  const ids = used?.memories ?? []
  const left = ids.flatMap((id) => memories.get(id) ?? [])
  const notes =
    used === null ? [unrecorded] : gone(ids.length - left.length, "memory", "memories", "forgotten or erased")
  const items = left.map(({ id, kind, since, text }) => of(`${kind} ${id}, since ${since}`, text))
  return { name: "memories", items, notes, tokens: blockTokens(memoryBlock, left, countTokens) }
}

function quotesPart({ used, quotes, today }: ReplyOrigin, countTokens: CountTokens, of: Of): PromptPart {
  const ids = used?.quotes ?? []
  const left = ids.flatMap((id) => quotes.get(id) ?? [])
  const notes = used === null ? [unrecorded] : gone(ids.length - left.length, "message", "messages", "erased")
  const items = left.map((quote) => of(`${quote.role} ${quote.id}, ${quote.day}`, quotedText(quote)))
  return { name: "quotes", items, notes, tokens: blockTokens(quoteBlock(today), left, countTokens) }
}

/** With its marks, and the form of its lines. */
function blockTokens<Item extends { id: string }>(
  block: DataBlock<Item>,
  items: readonly Item[],
  countTokens: CountTokens,
): number {
  const built = dataBlock(dataLines(block, items), Number.MAX_SAFE_INTEGER, countTokens)
  return built === null ? 0 : countTokens(built.message.content) + tokensAroundMessage
}

function windowParts({ window }: ReplyOrigin, of: Of): PromptPart[] {
  const asked = window.slice(-1)
  const before = window.slice(0, -1)
  const partOf = (name: "window" | "message", messages: PromptMessage[]) => {
    const left = messages.filter(({ content }) => content !== null)
    const notes = gone(messages.length - left.length, "message", "messages", "erased")
    return part(
      name,
      left.map((message) => messageItem(message, of)),
      notes,
    )
  }
  return [partOf("window", before), partOf("message", asked)]
}

const messageItem = ({ role, content, createdAt }: PromptMessage, of: Of) => of(`${role}, ${createdAt}`, content ?? "")

function part(name: PromptPart["name"], items: Item[], notes: string[]): PromptPart {
  return { name, items, notes, tokens: items.reduce((sum, { tokens }) => sum + tokens + tokensAroundMessage, 0) }
}

const unrecorded = "What the reply was made with is not recorded."

function gone(count: number, one: string, many: string, how: string): string[] {
  if (count === 0) return []
  return [count === 1 ? `1 ${one} was ${how} since.` : `${count} ${many} were ${how} since.`]
}
