import OpenAI, { APIError } from "openai"
import * as z from "zod"
import { ChatError } from "../core/errors.ts"
import type { Embedder } from "../memory-ports.ts"

export interface EmbedderOptions {
  baseUrl: string
  apiKey: string | null
  model: string
  timeoutMs: number
}

/** More than pgvector can index. */
const maxDimension = 4000

const answerForm = z.object({
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()).min(1) })),
})

/** Vectors from any OpenAI-compatible endpoint that has `/embeddings`. */
export function openaiEmbedder({ baseUrl, apiKey, model, timeoutMs }: EmbedderOptions): Embedder {
  const client = new OpenAI({
    baseURL: baseUrl,
    // The client insists on one; an endpoint that wants none ignores it.
    apiKey: apiKey ?? "none",
    // Whoever asks knows whether another try is worth it.
    maxRetries: 0,
    organization: null,
    project: null,
    logLevel: "off",
  })
  return {
    model,
    async embed(texts, signal) {
      // The client's own ends with the head of the answer.
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      try {
        // Numbers, because not every endpoint knows base64.
        const answer = await client.embeddings.create(
          { model, input: texts, encoding_format: "float" },
          { signal: inTime },
        )
        return vectorsOf(answer, texts.length)
      } catch (error) {
        signal.throwIfAborted()
        throw translate(error)
      }
    },
  }
}

function vectorsOf(answer: unknown, count: number): number[][] {
  const parsed = answerForm.safeParse(answer)
  if (!parsed.success) throw malformed("is none")
  const byIndex = new Map(parsed.data.data.map(({ index, embedding }) => [index, embedding]))
  if (parsed.data.data.length !== count || byIndex.size !== count) throw malformed("has not one vector for each text")
  const vectors = Array.from({ length: count }, (_, index) => byIndex.get(index) ?? [])
  const dimension = vectors[0]?.length ?? 0
  if (vectors.some(({ length }) => length !== dimension)) throw malformed("has vectors of several dimensions")
  if (dimension > maxDimension) throw malformed(`has more than ${maxDimension} dimensions`)
  return vectors.map(toUnit)
}

function toUnit(vector: number[]): number[] {
  const length = Math.hypot(...vector)
  if (!Number.isFinite(length) || length === 0) throw malformed("has a vector without a direction")
  return vector.map((value) => value / length)
}

const malformed = (what: string) => new ChatError("unavailable", `The answer of the embeddings model ${what}.`)

function translate(error: unknown): ChatError {
  if (error instanceof ChatError) return error
  if (!(error instanceof APIError)) {
    return new ChatError("unavailable", "The answer of the embeddings model could not be read.", { cause: error })
  }
  const status: unknown = error.status
  const isRefusal = status === 400 || status === 413 || status === 422
  const sentence = `The embeddings model refused or did not answer (status ${error.status ?? "none"}).`
  return new ChatError(isRefusal ? "invalid_request" : "unavailable", sentence)
}
