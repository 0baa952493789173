/** Pieces of a streamed chat completion, as OpenAI's server sends them. */

const envelope = {
  id: "chatcmpl-BxQ1",
  object: "chat.completion.chunk",
  created: 1_790_000_000,
  model: "gpt-4.1-2025-04-14",
  service_tier: "default",
  system_fingerprint: "fp_51e1070cf2",
}

export function event(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`
}

export function chunk(delta: unknown, finishReason: string | null = null): string {
  return event({
    ...envelope,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    usage: null,
  })
}

export const role = chunk({ role: "assistant", content: "", refusal: null })

export function text(content: string): string {
  return chunk({ content })
}

export function finish(reason = "stop"): string {
  return chunk({}, reason)
}

export function usage(inputTokens: number, outputTokens: number): string {
  const counts = {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
  return event({ ...envelope, choices: [], usage: counts })
}

export const done = event("[DONE]")

/** A whole answer in these deltas. */
export function answer(...deltas: string[]): string {
  return [role, ...deltas.map(text), finish(), usage(12, deltas.length), done].join("")
}
