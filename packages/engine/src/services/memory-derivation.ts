import { factInstructions, type Instructions, summaryInstructions } from "../agents/derivation/instructions.ts"
import { ChatError } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import type { DerivationJob, DerivationStore, DerivedMemory, StructuredModel, TranscriptLine } from "../memory-ports.ts"

export interface MemoryDerivationOptions {
  derivations: DerivationStore
  model: StructuredModel
  logger: Logger
  newId: () => string
  /** How long nothing must have been said. */
  quietSeconds: number
  /** What one user may cost on one day (UTC). */
  budget: { calls: number; tokens: number }
}

/** How long a job stays with the node that claimed it; longer than its one call may take. */
const leaseSeconds = 180
const maxAttempts = 5
const jobsPerSweep = 20
const knownFacts = 50
const maxOutputTokens = 2000
const stretchLimits = { messages: 100, messageLength: 4000 }
const dayLimits = { messages: 1000, messageLength: 4000 }
/** Of one call: some 6,000 tokens of English. */
const maxTranscriptLength = 24_000

/** The model gave what cannot be stored: another try may give better. */
class MalformedOutput extends Error {}

/**
 * Derives facts and summaries from what was said, in the background, on any node. A failure here is logged, tried again a
 * few times, and given up: replies know nothing of it.
 */
export class MemoryDerivation {
  readonly #options: MemoryDerivationOptions
  readonly #stopped = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: MemoryDerivationOptions) {
    this.#options = options
  }

  /** Does what is due, one job after another. Resolves when nothing more is due. @throws ChatError `unavailable` */
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
    const { derivations, newId, quietSeconds } = this.#options
    if (this.#stopped.signal.aborted) return
    await derivations.schedule(quietSeconds)
    for (let done = 0; done < jobsPerSweep && !this.#stopped.signal.aborted; done++) {
      const job = await derivations.claim(newId(), leaseSeconds)
      if (job === null) return
      await this.#do(job)
    }
  }

  async #do(job: DerivationJob): Promise<void> {
    const { derivations, quietSeconds, logger } = this.#options
    try {
      const { lines, position } = await this.#read(job)
      if (lines.length === 0 || job.attempt > maxAttempts) return await derivations.end(job, position, 0)
      // What was said before the pause waits for its end; what is said meanwhile is not among the lines, now or later.
      if (job.isPaused || !(await derivations.spendCall(job.userId, this.#options.budget))) {
        return await derivations.postpone(job, secondsPerDay / 4, false)
      }
      await this.#derive(job, lines)
      await derivations.end(job, position, job.kind === "facts" ? 0 : quietSeconds)
    } catch (error) {
      const isStopped = this.#stopped.signal.aborted
      if (!isStopped) {
        const reason = error instanceof Error ? error.message : String(error)
        const known = { conversation_id: job.conversationId, kind: job.kind, attempt: job.attempt, reason }
        logger.warn(known, "nothing could be derived for the memory; it is tried again later")
      }
      await derivations.postpone(job, isStopped ? 0 : 60 * 5 ** Math.min(job.attempt, maxAttempts), !isStopped)
    }
  }

  /** What one call can take, and up to which position that is. */
  async #read(job: DerivationJob): Promise<{ lines: TranscriptLine[]; position: number }> {
    const { derivations } = this.#options
    if (job.kind === "summary") {
      // Of the whole day, also where it was made before; of a long one the beginnings of its messages.
      const lines = said(await derivations.transcript(job, -1, dayLimits))
      const length = Math.max(1, Math.floor(maxTranscriptLength / Math.max(1, lines.length)))
      const isLong = lines.reduce((sum, { content }) => sum + content.length, 0) > maxTranscriptLength
      const cut = (line: TranscriptLine) => ({ ...line, content: line.content.slice(0, length) })
      return { lines: isLong ? lines.map(cut) : lines, position: job.until }
    }
    const messages = await derivations.transcript(job, job.position, stretchLimits)
    let left = maxTranscriptLength
    const stretch = messages.filter(({ content }, index) => (left -= content.length) >= 0 || index === 0)
    return { lines: said(stretch), position: stretch.at(-1)?.position ?? job.until }
  }

  async #derive(job: DerivationJob, lines: TranscriptLine[]): Promise<void> {
    const { derivations } = this.#options
    if (job.kind === "summary") {
      const { summary } = await this.#ask(job, summaryInstructions, lines, [])
      const sources = lines.map(({ id }) => id)
      const memory = { id: this.#options.newId(), text: summary, sources, supersedes: null }
      const saved = await derivations.save(job, [memory], summaryInstructions.version)
      if (saved === 0) throw new Error("What was summed up was erased meanwhile.")
      return
    }
    const known = await derivations.knownFacts(job.userId, knownFacts)
    const { facts } = await this.#ask(job, factInstructions, lines, known)
    const memories = facts.map((fact): DerivedMemory => {
      const sources = fact.sources.map((number) => at(lines, number).id)
      const supersedes = fact.supersedes === null ? null : at(known, fact.supersedes).id
      return { id: this.#options.newId(), text: fact.text, sources: [...new Set(sources)], supersedes }
    })
    if (memories.length > 0) await derivations.save(job, memories, factInstructions.version)
  }

  async #ask<Output>(
    { userId }: DerivationJob,
    { name, system, jsonSchema, output }: Instructions<Output>,
    lines: TranscriptLine[],
    known: { text: string }[],
  ): Promise<Output> {
    const data = [
      ...known.map(({ text }, index) => JSON.stringify({ known: index + 1, text })),
      ...lines.map(({ role, createdAt, content }, index) =>
        JSON.stringify({ message: index + 1, role, at: createdAt, text: content }),
      ),
    ].join("\n")
    const { signal } = this.#stopped
    const answer = await this.#options.model.ask({ name, system, jsonSchema, data, maxOutputTokens, signal })
    // Where the endpoint does not count: four bytes are a token, roughly.
    const tokens = answer.tokens ?? Math.ceil((system.length + data.length + answer.text.length) / 4)
    await this.#options.derivations.spendTokens(userId, tokens)
    const parsed = output.safeParse(parseJson(answer.text))
    if (!parsed.success) throw new MalformedOutput("The model's answer has not the form that was asked for.")
    return parsed.data
  }
}

const secondsPerDay = 24 * 60 * 60

const said = (messages: TranscriptLine[]) => messages.filter(({ content }) => content !== "")

/** By a number from 1, as the model was given it. */
function at<Item>(items: Item[], number: number): Item {
  const item = items[number - 1]
  if (item === undefined) throw new MalformedOutput("The model's answer names what it was not given.")
  return item
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
