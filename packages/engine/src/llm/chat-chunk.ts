import { failureOfStreamError, invalid, ModelFailure, type ProviderError } from "./model-failure.ts"
import type { ReplyUsage } from "../domain.ts"

/** What one chunk of a streamed chat completion says. */
export interface ChatChunk {
  /** Empty when it brings none. */
  text: string
  finishReason: string | null
  usage: ReplyUsage | null
  model: string | null
  /** The model declined, in words of its own. */
  refusal: boolean
}

type JsonObject = Readonly<Record<string, unknown>>

/**
 * Reads one chunk by the exact, slow way.
 * @throws ModelFailure when it is no such chunk, or the provider's error
 */
export function readChatChunk(data: string, event: string): ChatChunk {
  const chunk = parse(data)
  if (!isObject(chunk)) throw invalid("an event of its stream is no JSON object")
  if (chunk["error"] !== undefined && chunk["error"] !== null) throw failureOfStreamError(providerErrorOf(chunk))
  if (event === "error") throw failureOfStreamError(providerErrorOf({ error: chunk }))
  const choice = firstChoice(chunk["choices"])
  const delta = choice?.["delta"] ?? {}
  if (!isObject(delta)) throw invalid("a chunk of it has a delta that is no object")
  return {
    text: textOf(delta["content"]),
    finishReason: finishReasonOf(choice?.["finish_reason"]),
    usage: usageOf(chunk["usage"]),
    model: typeof chunk["model"] === "string" && chunk["model"] !== "" ? chunk["model"] : null,
    refusal: typeof delta["refusal"] === "string" && delta["refusal"] !== "",
  }
}

/** The failure that a finish reason stands for; null for the two that are a whole answer. */
export function failureOfFinish(finishReason: string): ModelFailure | null {
  if (finishReason === "stop" || finishReason === "length") return null
  if (finishReason === "content_filter") {
    return new ModelFailure("model_refused", "The model's provider withheld the answer because of its content")
  }
  if (finishReason === "error") return failureOfStreamError(null)
  return invalid("it ended for a reason that a chat does not have")
}

/** The error object of a body or an event, as far as it names itself; null when there is none. */
export function providerErrorOf(body: unknown): ProviderError | null {
  const error = isObject(body) ? body["error"] : null
  if (typeof error === "string") return {}
  if (!isObject(error)) return null
  const { code, type } = error
  return {
    code: typeof code === "string" || typeof code === "number" ? code : undefined,
    type: typeof type === "string" ? type : undefined,
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    // The parser's own message quotes what it read, which must not get into a log.
    throw invalid("an event of its stream is no JSON")
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function firstChoice(choices: unknown): JsonObject | undefined {
  if (choices === undefined || choices === null) return undefined
  if (!Array.isArray(choices)) throw invalid("a chunk of it has choices that are no list")
  // One was asked for; of a server that sends more, the first is read.
  const list: unknown[] = choices
  const choice = list.find((candidate) => !isObject(candidate) || (candidate["index"] ?? 0) === 0)
  if (choice === undefined) return undefined
  if (!isObject(choice)) throw invalid("a chunk of it has a choice that is no object")
  return choice
}

function textOf(content: unknown): string {
  if (content === undefined || content === null) return ""
  if (typeof content !== "string") throw invalid("a chunk of it has content that is no text")
  return content
}

function finishReasonOf(reason: unknown): string | null {
  if (reason === undefined || reason === null) return null
  if (typeof reason !== "string") throw invalid("a chunk of it has a finish reason that is no text")
  return reason === "" ? null : reason
}

function usageOf(usage: unknown): ReplyUsage | null {
  if (!isObject(usage)) return null
  const inputTokens = usage["prompt_tokens"]
  const outputTokens = usage["completion_tokens"]
  // A count that is no count is left out: it must not cost the user the answer.
  return isCount(inputTokens) && isCount(outputTokens) ? { inputTokens, outputTokens } : null
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}
