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

/**
 * The items as a message before the conversation, the ids of what is in it, and what it does not exceed in tokens; null when
 * there are none, or none fits.
 * Chosen in the given order, up to the first that does not fit: so no more is counted than fits. One line of JSON each, in
 * which no line and no mark can be closed from within.
 */
export function dataBlock<Item extends { id: string }>(
  block: DataBlock<Item>,
  items: readonly Item[],
  maxTokens: number,
  countTokens: CountTokens,
): { message: ModelMessage; used: string[]; tokens: number } | null {
  if (items.length === 0) return null
  const chosen: Item[] = []
  let tokens = countTokens(textOf(block, [])) + marginTokens
  for (const item of items) {
    const more = countTokens(lineOf(block, item), maxTokens) + 1
    if (tokens + more > maxTokens) break
    tokens += more
    chosen.push(item)
  }
  if (chosen.length === 0) return null
  if (block.compare !== undefined) chosen.sort(block.compare)
  return { message: { role: "user", content: textOf(block, chosen) }, used: chosen.map(({ id }) => id), tokens }
}

/** Whether all of them fit for certain, told by lengths alone. */
export function surelyFit<Item extends { id: string }>(
  block: DataBlock<Item>,
  items: readonly Item[],
  maxTokens: number,
): boolean {
  let left = maxTokens - tokensAtMost(textOf(block, [])) - marginTokens
  return items.every((item) => (left -= tokensAtMost(lineOf(block, item)) + 1) >= 0)
}

function textOf<Item extends { id: string }>(block: DataBlock<Item>, items: readonly Item[]): string {
  return [block.head, `<${block.mark}>`, ...items.map((item) => lineOf(block, item)), `</${block.mark}>`].join("\n")
}

function lineOf<Item extends { id: string }>(block: DataBlock<Item>, item: Item): string {
  return JSON.stringify(block.fieldsOf(item)).replaceAll("<", "\\u003c")
}
