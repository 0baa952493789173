import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { Embedder, EmbeddingStore, FoundQuote, Occasion, QuoteLimits } from "../memory-ports.ts"
import { isRefusal } from "./message-embedding.ts"

/**
 * What was said that is near to a question by meaning, nearest first; nothing when that is not known in time. Never rejects.
 * @param byWords what is looked for beside it, and is given without it when it is late
 */
export type FindByMeaning = (
  occasion: Occasion,
  question: string,
  limits: QuoteLimits,
  byWords: Promise<unknown>,
  signal: AbortSignal,
) => Promise<FoundQuote[]>

export interface MeaningOptions {
  embedder: Embedder
  embeddings: Pick<EmbeddingStore, "nearest">
  logger: Logger
  /** Monotonic, in ms. */
  now: () => number
  /** From the beginning. */
  maxMs: number
  /** From when what is found by words is there. */
  afterWordsMaxMs: number
}

const questionLength = 2000
const missesMax = 3
const pauseMs = 30_000

/**
 * Finds by meaning, in a time that a reply can wait. After three misses in a row neither the model nor the database is asked
 * for a while, so that replies do not wait for what does not come; that is logged once, and so is the return.
 */
export function findByMeaning(options: MeaningOptions): FindByMeaning {
  const { embedder, embeddings, logger, now, maxMs, afterWordsMaxMs } = options
  const { model } = embedder
  let misses = 0
  let pausedUntilMs = Number.NEGATIVE_INFINITY
  const miss = (error: unknown) => {
    misses += 1
    if (misses < missesMax) return
    const reason = error instanceof Error ? error.message : String(error)
    if (misses === missesMax) logger.warn({ model, reason }, "replies are made without embeddings for now")
    pausedUntilMs = now() + pauseMs
  }
  return async (occasion, question, limits, byWords, signal) => {
    if (now() < pausedUntilMs || question.trim() === "") return []
    const late = new AbortController()
    let who = "The embeddings model"
    const find = async () => {
      const asked = [question.slice(0, questionLength).toWellFormed()]
      const [vector] = await embedder.embed(asked, AbortSignal.any([signal, late.signal]))
      who = "The search by vectors"
      near = await embeddings.nearest(occasion, { model, vector: vector! }, limits)
    }
    let near = null as FoundQuote[] | null
    try {
      const found = find()
      await within(maxMs, Promise.race([found, byWords.then(() => within(afterWordsMaxMs, found))]))
      if (near === null) throw new Error(`${who} was late.`)
      if (misses >= missesMax) logger.info({ model }, "replies are made with embeddings again")
      misses = 0
      return near
    } catch (error) {
      // A question that the model refuses says nothing of the next one.
      if (!signal.aborted && !isRefusal(error)) miss(error)
      return []
    } finally {
      late.abort()
    }
  }
}
