import type { UsedContext } from "../domain.ts"
import type { Quote, Recollect, Remembered, RememberedMemory } from "../memory-ports.ts"
import type { ContextMessage, LlmClient, ModelMessage, ModelRequest, ModelResult } from "../ports.ts"
import { type DataLines, dataBlock, dataLines, surelyFit } from "./data-block.ts"
import { memoryBlock } from "./memory-block.ts"
import type { Persona } from "./persona.ts"
import { buildPrompt, surelyFits, tokensAroundMessage } from "./prompt.ts"
import { quoteBlock } from "./quote-block.ts"
import { loadTokenCounter, tokensAtMost } from "./token-count.ts"

/** Answers as the persona. */
export interface ChatAgent {
  /**
   * Streams the answer to the last message of `context`, which is ascending.
   * @throws what `LlmClient.stream` throws
   */
  answer(request: {
    conversationId: string
    /** Of the message to be answered. */
    position: number
    context: readonly ContextMessage[]
    /** False: nothing is remembered, and it is not asked for. */
    recollects: boolean
    /** Called once, before the model is. */
    onPrompt: (used: UsedContext) => void
    onText: ModelRequest["onText"]
    signal: AbortSignal
  }): Promise<ModelResult>
}

export interface ChatAgentOptions {
  llm: LlmClient
  persona: Persona
  /** Budget of the context without the system prompt, in tokens. */
  contextTokens: number
  recollect: Recollect
}

const nothing: Remembered = { memories: [], quotes: [], today: null }

export function chatAgent({ llm, persona, contextTokens, recollect }: ChatAgentOptions): ChatAgent {
  return {
    async answer({ conversationId, position, context, recollects, onPrompt, onText, signal }) {
      const question = context.at(-1)?.content ?? ""
      const occasion = { conversationId, position, window: context.length }
      const remembered = recollects ? await recollect(occasion, question, signal) : nothing
      signal.throwIfAborted()
      const memoryLines = dataLines(memoryBlock, remembered.memories)
      const quoteLines = dataLines(quoteBlock(remembered.today), remembered.quotes)
      // An upper bound serves as the count where it already fits: the usual case loads no tokenizer.
      const fits = surelyFitsAll(context, contextTokens, memoryLines, quoteLines)
      const countTokens = fits ? tokensAtMost : await loadTokenCounter()
      signal.throwIfAborted()
      const before: ModelMessage[] = []
      // What is to be answered is in the prompt whatever its length.
      const askedTokens = countTokens(question, contextTokens) + tokensAroundMessage
      let left = contextTokens - askedTokens
      const place = <Item extends { id: string }>(lines: DataLines<Item>): string[] => {
        const maxTokens = Math.min(maxTokensOf(lines.block, contextTokens), left - tokensAroundMessage)
        const built = dataBlock(lines, maxTokens, countTokens)
        if (built === null) return []
        before.push(built.message)
        left -= built.tokens + tokensAroundMessage
        return built.used
      }
      const memories = place(memoryLines)
      const quotes = place(quoteLines)
      const [system, ...rest] = buildPrompt({ persona, context, contextTokens: left + askedTokens, countTokens })
      onPrompt({ persona: persona.version, messages: rest.length, memories, quotes })
      return llm.stream({ messages: [system!, ...before, ...rest], onText, signal })
    },
  }
}

/** A quarter of the budget at most, so that the conversation itself comes first. */
function maxTokensOf({ maxTokens }: { maxTokens: number }, contextTokens: number): number {
  return Math.min(maxTokens, Math.floor(contextTokens / 4))
}

/** Whether all of it fits for certain, told by lengths alone. */
function surelyFitsAll(
  context: readonly ContextMessage[],
  contextTokens: number,
  memories: DataLines<RememberedMemory>,
  quotes: DataLines<Quote>,
): boolean {
  let left = contextTokens
  const fit = <Item extends { id: string }>(data: DataLines<Item>): boolean => {
    if (data.lines.length === 0) return true
    const maxTokens = maxTokensOf(data.block, contextTokens)
    left -= maxTokens + tokensAroundMessage
    return surelyFit(data, maxTokens)
  }
  return fit(memories) && fit(quotes) && surelyFits(context, left)
}
