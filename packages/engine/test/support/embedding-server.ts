import { createHash } from "node:crypto"
import type { ModelCall } from "./model-server.ts"

/** A model of embeddings as a function: what means the same has vectors that point the same way. */
export type Embedding = (text: string) => number[]

export const embeddingDimension = 128

/** Each word is a direction of its own, but for words that mean the same. */
export function wordVectors(meanings: Record<string, string>): Embedding {
  return (text) => {
    const words = text.toLowerCase().match(/\p{L}+/gu) ?? []
    const vectors = words.map((word) => noise(meanings[word] ?? word))
    return noise(`of ${text}`).map((value, index) => vectors.reduce((sum, vector) => sum + vector[index]!, value / 10))
  }
}

/** A model that understands nothing: the same text has the same vector, and that is all. */
export const senseless: Embedding = (text) => noise(text)

/** Evenly spread numbers that look random, and are the same for the same seed. */
function noise(seed: string): number[] {
  const bytes = Buffer.concat(
    Array.from({ length: embeddingDimension / 16 }, (_, block) =>
      createHash("sha256").update(`${block} ${seed}`).digest(),
    ),
  )
  return Array.from({ length: embeddingDimension }, (_, index) => bytes.readInt16LE(index * 2) / 32768)
}

export const textsOf = (call: ModelCall): string[] => (call.body as { input: string[] }).input

export function answerWith(call: ModelCall, vectors: unknown[]): void {
  const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }))
  const body = { object: "list", model: "m", data, usage: { prompt_tokens: 1, total_tokens: 1 } }
  call.respond(200, { "content-type": "application/json" }, JSON.stringify(body))
}
