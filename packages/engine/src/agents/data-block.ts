import type { ModelMessage } from "../ports.ts"
import { type CountTokens, tokensAtMost } from "./token-count.ts"

/** A kind of data that a prompt has before the conversation, as a message of its own. */
export interface DataBlock<Item extends { id: string }> {
  /** What the model is told that the lines are. */
  head: string
  /** Name of the marks around the lines. */
  mark: string
  maxTokens: number
  /** What the line of an item says. */
  fieldsOf: (item: Item) => Record<string, string>
  /** The order of the lines, where it is not that in which they are chosen. */
  compare?: (a: Item, b: Item) => number
}

/** What joining the lines may add. */
const marginTokens = 8

/** What is known of the lines before any token is counted. */
export interface DataLines<Item extends { id: string }> {
  block: DataBlock<Item>
  lines: { item: Item; text: string }[]
}

/** One line of JSON for each item, in which no line and no mark can be closed from within. */
export function dataLines<Item extends { id: string }>(
  block: DataBlock<Item>,
  items: readonly Item[],
): DataLines<Item> {
  const lineOf = (item: Item) => JSON.stringify(block.fieldsOf(item)).replaceAll("<", "\\u003c")
  return { block, lines: items.map((item) => ({ item, text: lineOf(item) })) }
}

/**
 * The lines as a message before the conversation, the ids of what is in it, and what it does not exceed in tokens; null when
 * there are none, or none fits. Chosen in the given order; one that does not fit is passed over, so that it keeps no other out.
 */
export function dataBlock<Item extends { id: string }>(
  { block, lines }: DataLines<Item>,
  maxTokens: number,
  countTokens: CountTokens,
): { message: ModelMessage; used: string[]; tokens: number } | null {
  if (lines.length === 0) return null
  const chosen: typeof lines = []
  let tokens = countTokens(textOf(block, [])) + marginTokens
  for (const line of lines) {
    // Of what does not fit no more is counted than what is left.
    const more = countTokens(line.text, maxTokens - tokens) + 1
    if (tokens + more > maxTokens) continue
    tokens += more
    chosen.push(line)
  }
  if (chosen.length === 0) return null
  const { compare } = block
  if (compare !== undefined) chosen.sort((a, b) => compare(a.item, b.item))
  const content = textOf(
    block,
    chosen.map(({ text }) => text),
  )
  return { message: { role: "user", content }, used: chosen.map(({ item }) => item.id), tokens }
}

/** Whether all of them fit for certain, told by lengths alone. */
export function surelyFit<Item extends { id: string }>({ block, lines }: DataLines<Item>, maxTokens: number): boolean {
  let left = maxTokens - tokensAtMost(textOf(block, [])) - marginTokens
  return lines.every(({ text }) => (left -= tokensAtMost(text) + 1) >= 0)
}

function textOf({ head, mark }: { head: string; mark: string }, lines: readonly string[]): string {
  return [head, `<${mark}>`, ...lines, `</${mark}>`].join("\n")
}
