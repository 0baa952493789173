import OpenAI, { APIError } from "openai"
import { ChatError } from "../core/errors.ts"
import type { StructuredModel } from "../memory-ports.ts"

export interface StructuredModelOptions {
  baseUrl: string
  apiKey: string | null
  model: string
  timeoutMs: number
}

/** Answers of a fixed form, from any OpenAI-compatible endpoint that knows `response_format`. */
export function openaiStructuredModel({ baseUrl, apiKey, model, timeoutMs }: StructuredModelOptions): StructuredModel {
  const client = new OpenAI({
    baseURL: baseUrl,
    // The client insists on one; an endpoint that wants none ignores it.
    apiKey: apiKey ?? "none",
    timeout: timeoutMs,
    // A job that fails is tried again later: at most one call per try, so that the budget counts them all.
    maxRetries: 0,
    organization: null,
    project: null,
    logLevel: "off",
  })
  return {
    async ask({ name, jsonSchema, system, data, maxOutputTokens, signal }) {
      try {
        const answer = await client.chat.completions.create(
          {
            model,
            messages: [
              { role: "system", content: system },
              { role: "user", content: data },
            ],
            max_completion_tokens: maxOutputTokens,
            response_format: { type: "json_schema", json_schema: { name, schema: jsonSchema, strict: true } },
          },
          { signal },
        )
        const text = answer.choices?.[0]?.message?.content
        return { text: typeof text === "string" ? text : "", tokens: answer.usage?.total_tokens ?? null }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof APIError) {
          throw new ChatError("unavailable", `The model refused or did not answer (status ${error.status ?? "none"}).`)
        }
        throw new ChatError("unavailable", "The model's answer could not be read.", { cause: error })
      }
    },
  }
}
