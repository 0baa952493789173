import type { ContextMessage, ModelMessage } from "../ports.ts"
import type { Persona } from "./persona.ts"
import { type CountTokens, tokensAtMost } from "./token-count.ts"

/** What the format around a message costs, in tokens. */
export const tokensAroundMessage = 4

/** Whether the context fits the budget for certain, told by its length alone. */
export function surelyFits(context: readonly ContextMessage[], contextTokens: number): boolean {
  let atMost = 0
  for (const { content } of context) atMost += tokensAtMost(content) + tokensAroundMessage
  return atMost <= contextTokens
}

/**
 * The persona's system prompt, then the newest messages of the context that fit `contextTokens`, in order. The last one,
 * which is to be answered, is always in; the first one that does not fit ends the context, so that it has no hole.
 * `countTokens` is called only where lengths alone do not tell.
 */
export function buildPrompt(options: {
  persona: Persona
  /** Ascending; the last one is the user's new message. */
  context: readonly ContextMessage[]
  contextTokens: number
  countTokens: CountTokens
}): ModelMessage[] {
  const { persona, context, contextTokens, countTokens } = options
  const system: ModelMessage = { role: "system", content: persona.systemPrompt }
  if (surelyFits(context, contextTokens)) return [system, ...context]
  let first = context.length
  for (let left = contextTokens; first > 0; first--) {
    const content = context[first - 1]?.content ?? ""
    // A text that is longer than what is left costs no more than that to count.
    left -= countTokens(content, Math.max(left, 0)) + tokensAroundMessage
    if (left < 0 && first < context.length) break
  }
  return [system, ...context.slice(first)]
}
