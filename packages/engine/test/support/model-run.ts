import { type OpenAiClientOptions, openaiClient } from "../../src/llm/openai-client.ts"
import type { LlmClient, ModelResult } from "../../src/ports.ts"

export const apiKey = "sk-test-4f9c1b7e2d"
export const promptText = "my secret diary entry"

export type ModelClient = ReturnType<typeof openaiClient>

/** A client of the model at `baseUrl`, with limits that no healthy test comes near. */
export function clientOf(baseUrl: string, options: Partial<OpenAiClientOptions> = {}): ModelClient {
  const timeouts = { connectMs: 10_000, firstTokenMs: 10_000, idleMs: 10_000, totalMs: 20_000, ...options.timeouts }
  return openaiClient({ baseUrl, apiKey, model: "gpt-4.1-2025-04-14", ...options, timeouts })
}

export interface ModelRun {
  /** As they were given. */
  pieces: string[]
  text: string
  result: ModelResult | null
  error: unknown
}

/** One call to its end, whatever that is. */
export async function runModel(
  llm: LlmClient,
  options: { prompt?: string; signal?: AbortSignal; onText?: (text: string) => void } = {},
): Promise<ModelRun> {
  const pieces: string[] = []
  const outcome = await llm
    .stream({
      messages: [
        { role: "system", content: "You are Grizz." },
        { role: "user", content: options.prompt ?? promptText },
      ],
      onText: (text) => {
        pieces.push(text)
        options.onText?.(text)
      },
      signal: options.signal ?? new AbortController().signal,
    })
    .then(
      (result) => ({ result, error: null }),
      (error: unknown) => ({ result: null, error }),
    )
  return { pieces, text: pieces.join(""), ...outcome }
}
