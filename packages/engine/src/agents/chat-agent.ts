import type { ContextMessage, LlmClient, ModelRequest, ModelResult } from "../ports.ts"
import type { Persona } from "./persona.ts"
import { buildPrompt, surelyFits } from "./prompt.ts"
import { loadTokenCounter, tokensAtMost } from "./token-count.ts"

/** Answers as the persona. */
export interface ChatAgent {
  /**
   * Streams the answer to the last message of `context`, which is ascending.
   * @throws what `LlmClient.stream` throws
   */
  answer(request: {
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
}

export function chatAgent({ llm, persona, contextTokens }: ChatAgentOptions): ChatAgent {
  return {
    async answer({ context, onText, signal }) {
      // An upper bound serves as the count where it already fits: the usual case loads no tokenizer.
      const countTokens = surelyFits(context, contextTokens) ? tokensAtMost : await loadTokenCounter()
      signal.throwIfAborted()
      return llm.stream({ messages: buildPrompt({ persona, context, contextTokens, countTokens }), onText, signal })
    },
  }
}
