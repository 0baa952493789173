import type { UsedContext } from "../domain.ts"
import type { Recollect, Remembered } from "../memory-ports.ts"
import type { ContextMessage, LlmClient, ModelRequest, ModelResult } from "../ports.ts"
import { blockAtMost, blockMaxTokens, memoryBlock } from "./memory-block.ts"
import type { Persona } from "./persona.ts"
import { buildPrompt, surelyFits, tokensAroundMessage } from "./prompt.ts"
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

const nothing: Remembered = { memories: [] }

export function chatAgent({ llm, persona, contextTokens, recollect }: ChatAgentOptions): ChatAgent {
  return {
    async answer({ conversationId, context, recollects, onPrompt, onText, signal }) {
      const { memories } = recollects ? await recollect(conversationId, signal) : nothing
      signal.throwIfAborted()
      // A quarter at most, so that the conversation itself comes first.
      const maxTokens = memories.length === 0 ? 0 : Math.min(blockMaxTokens, Math.floor(contextTokens / 4))
      // An upper bound serves as the count where it already fits: the usual case loads no tokenizer.
      const fits = blockAtMost(memories) <= maxTokens && surelyFits(context, contextTokens - maxTokens)
      const countTokens = fits ? tokensAtMost : await loadTokenCounter()
      signal.throwIfAborted()
      const block = memoryBlock(memories, maxTokens, countTokens)
      const left = contextTokens - (block === null ? 0 : countTokens(block.message.content) + tokensAroundMessage)
      const [system, ...rest] = buildPrompt({ persona, context, contextTokens: left, countTokens })
      onPrompt({ persona: persona.version, messages: rest.length, memories: block?.used ?? [], quotes: [] })
      return llm.stream({ messages: [system!, ...(block === null ? [] : [block.message]), ...rest], onText, signal })
    },
  }
}
