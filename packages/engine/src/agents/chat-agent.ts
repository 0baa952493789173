import type { ContextMessage, LlmClient, ModelRequest, ModelResult, Recollect } from "../ports.ts"
import { blockAtMost, blockMaxTokens, memoryBlock } from "./memory-block.ts"
import type { Persona } from "./persona.ts"
import { buildPrompt, surelyFits, tokensAroundMessage } from "./prompt.ts"
import { quoteBlock, quotesMaxTokens } from "./quote-block.ts"
import { loadTokenCounter, tokensAtMost } from "./token-count.ts"

/** Answers as the persona. */
export interface ChatAgent {
  /**
   * Streams the answer to the last message of `context`, which is ascending.
   * @throws what `LlmClient.stream` throws
   */
  answer(request: {
    conversationId: string
    context: readonly ContextMessage[]
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

export function chatAgent({ llm, persona, contextTokens, recollect }: ChatAgentOptions): ChatAgent {
  return {
    async answer({ conversationId, context, onText, signal }) {
      const { memories, quotes } = await recollect(conversationId, context, signal)
      signal.throwIfAborted()
      // A quarter each at most, so that the conversation itself comes first.
      const quarter = Math.floor(contextTokens / 4)
      const maxTokens = memories.length === 0 ? 0 : Math.min(blockMaxTokens, quarter)
      const maxQuoted = quotes.length === 0 ? 0 : Math.min(quotesMaxTokens, quarter)
      // An upper bound serves as the count where it already fits: the usual case loads no tokenizer.
      const fits =
        maxQuoted === 0 && blockAtMost(memories) <= maxTokens && surelyFits(context, contextTokens - maxTokens)
      const countTokens = fits ? tokensAtMost : await loadTokenCounter()
      signal.throwIfAborted()
      const blocks = [memoryBlock(memories, maxTokens, countTokens), quoteBlock(quotes, maxQuoted, countTokens)]
      const before = blocks.filter((block) => block !== null)
      let left = contextTokens
      for (const { content } of before) left -= countTokens(content) + tokensAroundMessage
      const [system, ...rest] = buildPrompt({ persona, context, contextTokens: left, countTokens })
      return llm.stream({ messages: [system!, ...before, ...rest], onText, signal })
    },
  }
}
