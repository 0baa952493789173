import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { Embedder, EmbeddingStore, FoundQuote, Occasion, QuoteLimits } from "../memory-ports.ts"
import { isRefusal } from "./message-embedding.ts"

/** What was said that is near to a question by meaning, nearest first; nothing when that is not known in time. Never rejects. */
export type FindByMeaning = (
  occasion: Occasion,
  question: string,
  limits: QuoteLimits,
  signal: AbortSignal,
) => Promise<FoundQuote[]>

export interface MeaningOptions {
  embedder: Embedder
  embeddings: Pick<EmbeddingStore, "nearest">
  logger: Logger
  /** Monotonic, in ms. */
  now: () => number
  /** How long both may take together; a third of it is the model's. */
  maxMs: number
}

const questionLength = 2000
const missesMax = 3
const pauseMs = 30_000

/**
 * Finds by meaning, in a time that a reply can wait. After three misses in a row neither the model nor the database is asked
 * for a while, so that replies do not wait for what does not come; that is logged once, and so is the return.
 */
export function findByMeaning({ embedder, embeddings, logger, now, maxMs }: MeaningOptions): FindByMeaning {
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
  return async (occasion, question, limits, signal) => {
    if (now() < pausedUntilMs || question.trim() === "") return []
    const late = new AbortController()
    const wanted = AbortSignal.any([signal, late.signal])
    try {
      const asked = embedder.embed([question.slice(0, questionLength).toWellFormed()], wanted)
      const [vector] = await inTime(maxMs / 3, asked, "The embeddings model")
      const found = embeddings.nearest(occasion, { model, vector: vector! }, limits)
      const near = await inTime((maxMs * 2) / 3, found, "The search by vectors")
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

async function inTime<T>(limitMs: number, task: Promise<T>, who: string): Promise<T> {
  const done: T[] = []
  await within(
    limitMs,
    task.then((result) => done.push(result)),
  )
  if (done.length === 0) throw new Error(`${who} did not answer within ${limitMs} ms.`)
  return done[0]!
}
