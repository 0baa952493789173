import { every } from "./core/every.ts"
import type { Logger } from "./core/logger.ts"
import { within } from "./core/within.ts"
import type { EmbeddingStore, MessageIndex } from "./memory-ports.ts"
import type { MemoryDerivation } from "./services/memory-derivation.ts"
import type { MessageEmbedding } from "./services/message-embedding.ts"
import type { ReplyRunner } from "./services/reply-runner.ts"
import type { ReplySweep } from "./services/reply-sweep.ts"

/**
 * How often leases are renewed, texts saved, and replies without a living owner looked for, in ms. A stop that another
 * node was asked for comes with it, and must reach the model's provider within a second.
 */
const heartbeatMs = 800

/** How many batches at once are added to the index of words where there are many. */
const indexBatchesMax = 10

/** How often messages without a vector are looked for, and how often indexes of vectors are seen to, in ms. */
const embeddingIntervalMs = 3000
const vectorIndexIntervalMs = 60_000

export interface BackgroundOptions {
  runner: ReplyRunner
  sweep: ReplySweep
  messageIndex: MessageIndex
  /** How often new messages are added to the index of words. */
  indexIntervalMs: number
  /** Null where nothing is derived. */
  derivation: MemoryDerivation | null
  derivationIntervalMs: number
  /** Null where there are no vectors. */
  embedding: MessageEmbedding | null
  /** Null where indexes of vectors are not to be made. */
  vectorIndexes: Pick<EmbeddingStore, "tendIndex"> | null
  logger: Logger
}

/** All that runs on timers, beside what is asked for. */
export class Background {
  readonly #options: BackgroundOptions
  #heartbeat: NodeJS.Timeout | undefined
  /** Of what the replies can do without, and what therefore ends before they do. */
  readonly #timers: NodeJS.Timeout[] = []

  constructor(options: BackgroundOptions) {
    this.#options = options
  }

  start(): void {
    const { derivation, embedding, vectorIndexes, indexIntervalMs, derivationIntervalMs, logger } = this.#options
    const add = (intervalMs: number, task: () => Promise<unknown>) => this.#timers.push(every(intervalMs, task, logger))
    this.#heartbeat = every(heartbeatMs, () => this.#beat(), logger)
    add(indexIntervalMs, () => this.#indexMessages())
    if (derivation !== null) add(derivationIntervalMs, () => derivation.sweep())
    if (embedding !== null) add(embeddingIntervalMs, () => embedding.sweep())
    if (vectorIndexes !== null) add(vectorIndexIntervalMs, () => vectorIndexes.tendIndex())
  }

  /** Begins nothing new, and ends what runs within the grace; the heartbeat goes on until `close`. */
  async drain(graceMs: number): Promise<void> {
    this.#timers.forEach(clearInterval)
    const { derivation, embedding } = this.#options
    await Promise.all([derivation, embedding].map((one) => within(graceMs, one?.stop() ?? Promise.resolve())))
  }

  close(): void {
    clearInterval(this.#heartbeat)
  }

  async #beat(): Promise<void> {
    await this.#options.runner.heartbeat()
    await this.#options.sweep.sweep()
  }

  async #indexMessages(): Promise<void> {
    const { messageIndex } = this.#options
    for (let batches = 0; batches < indexBatchesMax && (await messageIndex.indexNext()); batches++);
  }
}
