import { ChatError } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import type { Embedder, EmbeddingBatch, EmbeddingStore } from "../memory-ports.ts"

export interface MessageEmbeddingOptions {
  embeddings: EmbeddingStore
  embedder: Embedder
  logger: Logger
  /** This node's. */
  owner: string
  /** Monotonic, in ms. */
  now: () => number
}

/** Of one call: some 16,000 tokens of English, and three times as many of what has the longest ones. */
const limits = { texts: 32, textLength: 2000, leaseSeconds: 180 }
/** What is refused is tried once more in this length: a model of 512 tokens takes it. */
const shortLength = 400
const callsPerSweep = 30
const firstPauseMs = 5000
const maxPauseMs = 300_000

/**
 * Has vectors made of what was said, in the background, by one node at a time. A model that fails is left alone for a
 * while, longer each time; that is logged once, and so is its return.
 */
export class MessageEmbedding {
  readonly #options: MessageEmbeddingOptions
  readonly #stopped = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #failures = 0
  #pausedUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: MessageEmbeddingOptions) {
    this.#options = options
  }

  /** Does what is due. @throws ChatError `unavailable` where the database is */
  sweep(): Promise<void> {
    const sweep = this.#sweep()
    this.#running = sweep.catch(() => undefined)
    return sweep
  }

  /** Gives up what is under way; another node, or the next start, does it again. */
  async stop(): Promise<void> {
    this.#stopped.abort(new ChatError("unavailable", "This node is shutting down."))
    await this.#running
  }

  async #sweep(): Promise<void> {
    const { embeddings, embedder, owner, now } = this.#options
    if (now() < this.#pausedUntilMs) return
    for (let calls = 0; calls < callsPerSweep && !this.#stopped.signal.aborted; calls++) {
      const batch = await embeddings.claim(owner, embedder.model, limits)
      if (batch === null) return
      if (batch.texts.length > 0) {
        const vectors = await this.#embed(batch)
        if (vectors === null) return
        await embeddings.save(owner, batch, vectors)
      }
      if (!batch.isMore) return
    }
  }

  /** Null when it failed, and is to be tried again later. */
  async #embed({ texts }: EmbeddingBatch): Promise<(number[] | null)[] | null> {
    const { logger, embedder, now } = this.#options
    try {
      const vectors = await this.#vectorsOf(texts.map(({ text }) => text))
      if (this.#failures > 0) logger.info({ model: embedder.model }, "the embeddings model answers again")
      this.#failures = 0
      return vectors
    } catch (error) {
      if (this.#stopped.signal.aborted) return null
      if (this.#failures === 0) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn(
          { model: embedder.model, reason },
          "no embeddings are made for now: what is new is found by its words",
        )
      }
      this.#pausedUntilMs = now() + Math.min(firstPauseMs * 2 ** this.#failures, maxPauseMs)
      this.#failures += 1
      return null
    }
  }

  async #vectorsOf(texts: string[]): Promise<(number[] | null)[]> {
    const { embedder } = this.#options
    const { signal } = this.#stopped
    try {
      return await embedder.embed(texts, signal)
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
    // One of them may be what is refused, or the model refuses everything, which is then no fault of the texts.
    await embedder.embed(["Hello."], signal)
    const vectors: (number[] | null)[] = []
    for (const text of texts) vectors.push(await this.#vectorOf(text))
    return vectors
  }

  async #vectorOf(text: string): Promise<number[] | null> {
    for (const length of [limits.textLength, shortLength]) {
      try {
        const [vector] = await this.#options.embedder.embed([text.slice(0, length)], this.#stopped.signal)
        return vector ?? null
      } catch (error) {
        if (!isRefusal(error)) throw error
      }
    }
    return null
  }
}

/** The model does not take these texts, whenever they are asked about. */
export const isRefusal = (error: unknown) => error instanceof ChatError && error.code === "invalid_request"
