import { setTimeout as systemDelay } from "node:timers/promises"
import type { ChatAgent } from "../agents/chat-agent.ts"
import { ChatError } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import { within } from "../core/within.ts"
import type { RunningReply } from "../domain.ts"
import type { ReplyLog, ReplyWriter } from "../live-ports.ts"
import type { HeldReply, ReplyJob, ReplyOutcome, ReplyStore } from "../ports.ts"
import { produceReply, replyStopped } from "./reply-production.ts"
import type { Serial } from "./serial.ts"
import { twice } from "./twice.ts"

export interface ReplyRunnerOptions {
  replies: ReplyStore
  log: ReplyLog
  agent: ChatAgent
  logger: Logger
  /** What changes a conversation runs here, so that it is announced in the order of its commits. */
  serial: Serial
  /** Names this process as a holder of leases; never used twice. */
  owner: string
  contextMessages: number
  /** How long a lease holds after the moment before it was asked for, in ms. */
  leaseMs: number
  /** Monotonic, in ms. */
  now: () => number
  /** Waits that many ms. Default: the process's timers. */
  delay?: (ms: number) => Promise<void>
}

/** A reply that this process produces now: nothing is written to it once its lease may be another's. */
class Production {
  readonly reply: RunningReply
  readonly writer: ReplyWriter
  readonly abort = new AbortController()
  /** The model call is over, and the end is on its way to the database. */
  isEnding = false
  finished: Promise<void> = Promise.resolve()
  readonly #now: () => number
  /** In whole ms, which V8 keeps in the object itself: the way of every token looks at it. */
  #deadlineMs = 0

  constructor(reply: RunningReply, writer: ReplyWriter, deadlineMs: number, now: () => number) {
    this.reply = reply
    this.writer = writer
    this.#now = now
    this.deadlineMs = deadlineMs
  }

  /** Until then nobody else can own the reply, whatever happens; on the monotonic clock. */
  get deadlineMs(): number {
    return this.#deadlineMs
  }

  set deadlineMs(atMs: number) {
    this.#deadlineMs = Math.floor(atMs)
  }

  get text(): string {
    return this.writer.text
  }

  append(text: string): void {
    if (this.#now() < this.#deadlineMs) this.writer.append(text)
    else this.abort.abort(leaseLost)
  }
}

/** How long to wait before an end that could not be saved is tried again. */
const saveRetryMs = 500
/** How long a shutdown waits, after its grace, for a database that does not answer. */
const handOverMs = 3000

const leaseLost = new ChatError("interrupted", "The lease of this reply is lost.")
const handedOver = new ChatError("interrupted", "This reply was handed over.")

/** Produces replies: one model call each, a lease over each, and one end for each. */
export class ReplyRunner {
  readonly #options: ReplyRunnerOptions
  readonly #productions = new Map<string, Production>()
  /** Attempts that are over here, by reply: until then a late answer of the database may still bring them as jobs. */
  readonly #over = new Map<string, { attempt: number; untilMs: number }>()
  #isDraining = false
  /** The grace of a shutdown is over. */
  #isOutOfTime = false

  constructor(options: ReplyRunnerOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#productions.size
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  holds(replyId: string): boolean {
    return this.#productions.has(replyId)
  }

  /**
   * Does nothing for what was begun here before, nor for a lease that has run out: that is left to the next sweep.
   * @param ownedSinceMs a moment before the lease was asked for
   */
  run(job: ReplyJob, ownedSinceMs: number): void {
    const { log, leaseMs, now } = this.#options
    const { id, attempt } = job.reply
    const deadlineMs = ownedSinceMs + leaseMs
    const wasBegun = this.holds(id) || (this.#over.get(id)?.attempt ?? 0) >= attempt
    if (wasBegun || now() >= deadlineMs) return
    const production = new Production(job.reply, log.start(job.reply), deadlineMs, now)
    if (job.stopRequested) production.abort.abort(replyStopped)
    else if (this.#isOutOfTime) production.abort.abort(handedOver)
    this.#productions.set(id, production)
    production.finished = this.#produce(job, production)
  }

  /** Produces what this node has just become the owner of, or gives it to another node at once. */
  async begin(job: ReplyJob, ownedSinceMs: number): Promise<void> {
    if (!this.#isDraining) return this.run(job, ownedSinceMs)
    await this.#handOver([{ replyId: job.reply.id, attempt: job.reply.attempt, text: "" }])
  }

  stop(replyIds: readonly string[]): void {
    for (const replyId of replyIds) this.#productions.get(replyId)?.abort.abort(replyStopped)
  }

  stopConversation(conversationId: string): void {
    for (const { reply, abort } of this.#productions.values()) {
      if (reply.conversationId === conversationId) abort.abort(replyStopped)
    }
  }

  /** Renews the leases and saves the texts so far, in one statement for all replies; lets go of what is too late. */
  async heartbeat(): Promise<void> {
    this.#forgetOver()
    const beforeMs = this.#options.now()
    const held: Production[] = []
    for (const production of this.#productions.values()) {
      if (beforeMs < production.deadlineMs || production.isEnding) held.push(production)
      else production.abort.abort(leaseLost)
    }
    if (held.length === 0) return
    const { stopped, lost } = await this.#options.replies.heartbeat(this.#options.owner, held.map(heldReply))
    for (const production of held) production.deadlineMs = beforeMs + this.#options.leaseMs
    this.stop(stopped)
    for (const replyId of lost) this.#productions.get(replyId)?.abort.abort(leaseLost)
  }

  /** Lets replies finish for `graceMs`, then hands the others over; what is queued is handed over at once. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    const isFinished = this.#finish()
    await within(graceMs, isFinished)
    this.#isOutOfTime = true
    const unfinished = [...this.#productions.values()].map(heldReply)
    for (const { abort } of this.#productions.values()) abort.abort(handedOver)
    await within(handOverMs, Promise.all([isFinished, this.#handOver(unfinished)]))
  }

  /** Resolves when nothing is produced any more, nor being accepted, ended or taken over. */
  async #finish(): Promise<void> {
    do {
      await this.#options.serial.settled()
      await Promise.all([...this.#productions.values()].map(({ finished }) => finished))
    } while (this.#productions.size > 0)
  }

  async #produce(job: ReplyJob, production: Production): Promise<void> {
    const { agent, logger, leaseMs, now } = this.#options
    const { reply, writer, abort } = production
    const log = logger.child({ conversation_id: reply.conversationId, reply_id: reply.id, attempt: reply.attempt })
    try {
      const outcome = await produceReply(
        agent,
        {
          conversationId: reply.conversationId,
          position: job.message?.position ?? reply.position,
          context: job.context,
          recollects: job.recollects,
        },
        production,
        abort.signal,
        log,
      )
      production.isEnding = outcome !== null
      const isSaved = outcome !== null && (await this.#end(production, outcome))
      if (!isSaved) writer.abandon()
      if (outcome === null) log.warn({ reason: String(abort.signal.reason) }, "let go of a reply")
    } catch (error) {
      // The lease runs out, and whoever comes next goes on.
      log.error({ err: error }, "the end of a reply could not be saved")
      writer.abandon()
    } finally {
      this.#productions.delete(reply.id)
      this.#over.set(reply.id, { attempt: reply.attempt, untilMs: now() + leaseMs })
    }
  }

  /** A job that comes later than that is refused, because its lease has run out. */
  #forgetOver(): void {
    const nowMs = this.#options.now()
    for (const [replyId, { untilMs }] of this.#over) {
      if (untilMs <= nowMs) this.#over.delete(replyId)
    }
  }

  /**
   * A reply was paid for: its end is tried until the database is back, or the node has no time left. Between the tries
   * others have their turn. False when the reply is another owner's by now.
   */
  async #end(production: Production, outcome: ReplyOutcome): Promise<boolean> {
    const { serial, now, delay = systemDelay } = this.#options
    // Before the first try: it may be the one that was committed, and that began the lease of the next reply.
    const beforeMs = now()
    for (;;) {
      try {
        return await serial.run(production.reply.conversationId, () => this.#save(production, outcome, beforeMs))
      } catch (error) {
        const isPassing = error instanceof ChatError && error.code === "unavailable"
        if (!isPassing || this.#isOutOfTime) throw error
        await delay(saveRetryMs)
      }
    }
  }

  async #save({ reply, writer }: Production, outcome: ReplyOutcome, ownedSinceMs: number): Promise<boolean> {
    const { replies, owner, contextMessages } = this.#options
    const saved = await twice(() => replies.end(reply, outcome, owner, contextMessages))
    if (saved === null) return false
    // Saved first: a client that reloads on reply.ended must find the message.
    writer.end(saved.end)
    if (saved.next !== null) await this.begin(saved.next, ownedSinceMs)
    return true
  }

  async #handOver(held: HeldReply[]): Promise<void> {
    const { replies, owner, logger } = this.#options
    if (held.length === 0) return
    try {
      await replies.handOver(owner, held)
      logger.info({ replies: held.length }, "handed replies over")
    } catch (error) {
      logger.warn({ err: error }, "replies could not be handed over; others take them when their leases have run out")
    }
  }
}

function heldReply({ reply, writer }: Production): HeldReply {
  return { replyId: reply.id, attempt: reply.attempt, text: writer.text }
}
