import { setTimeout as delay } from "node:timers/promises"
import type { ChatAgent } from "../agents/chat-agent.ts"
import { ChatError } from "../core/errors.ts"
import type { Logger } from "../core/logger.ts"
import type { RunningReply } from "../domain.ts"
import type { Accepted, NewMessage, ReplyJob, ReplyLog, ReplyOutcome, ReplyStore, ReplyWriter } from "../ports.ts"
import { produceReply, replyStopped, shuttingDown } from "./reply-production.ts"
import { Serial } from "./serial.ts"

export interface ChatServiceOptions {
  replies: ReplyStore
  log: ReplyLog
  agent: ChatAgent
  logger: Logger
  /** Names this process as a holder of leases; never used twice. */
  owner: string
  /** Messages that the model sees at most, the new one counted in. */
  contextMessages: number
  newId: () => string
}

/** A reply that this process produces now. */
interface Production {
  reply: RunningReply
  writer: ReplyWriter
  abort: AbortController
  finished: Promise<void>
}

/** How long to wait before an end that could not be saved is tried again. */
const saveRetryMs = 500

/**
 * The way of a message: accept it, run its reply, end it. Nothing here knows who reads.
 * What changes a conversation runs one at a time per conversation, so that it is announced in the order of its commits.
 */
export class ChatService {
  readonly #options: ChatServiceOptions
  readonly #serial = new Serial()
  readonly #productions = new Map<string, Production>()
  #isDraining = false
  /** The grace of a shutdown is over. */
  #isOutOfTime = false

  constructor(options: ChatServiceOptions) {
    this.#options = options
  }

  get runningReplies(): number {
    return this.#productions.size
  }

  /**
   * Saves the message and begins, or queues, its reply. Resolves after the commit; a repeat joins the first one.
   * @throws ChatError `not_found`, `conflict`, `unavailable`
   */
  async accept(message: Omit<NewMessage, "replyId">): Promise<Accepted & { outcome: "accepted" | "repeat" }> {
    if (this.#isDraining) throw new ChatError("unavailable", "The server is restarting. Send this again in a moment.")
    const { replies, owner, contextMessages, newId, log } = this.#options
    return this.#serial.run(message.conversationId, async () => {
      const accepted = await replies.accept({ ...message, replyId: newId() }, owner, contextMessages)
      if (accepted.outcome === "not_found") throw new ChatError("not_found", "There is no such conversation.")
      if (accepted.outcome === "conflict") throw new ChatError("conflict", "This id belongs to another message.")
      if (accepted.outcome === "accepted") {
        log.announce(accepted.message, accepted.replyId)
        if (accepted.job !== null) this.#run(accepted.job)
      }
      return accepted
    })
  }

  /** Stops a reply, running or queued; the text so far is kept. @throws ChatError `not_found` */
  async stop(userId: string, replyId: string): Promise<void> {
    const outcome = await this.#options.replies.requestStop(userId, replyId)
    if (outcome === null) throw new ChatError("not_found", "There is no such reply.")
    this.#productions.get(replyId)?.abort.abort(replyStopped)
  }

  /** Renews this node's leases and saves its replies' text so far; to be called every second. */
  async heartbeat(): Promise<void> {
    const { replies, owner } = this.#options
    if (this.#productions.size === 0) return
    const mine = [...this.#productions.values()].map(({ reply, writer }) => ({
      replyId: reply.id,
      attempt: reply.attempt,
      text: writer.text,
    }))
    const { stopped, lost } = await replies.heartbeat(owner, mine)
    for (const replyId of stopped) this.#productions.get(replyId)?.abort.abort(replyStopped)
    for (const replyId of lost) this.#productions.get(replyId)?.abort.abort(leaseLost)
  }

  /** Ends replies whose owner is gone, so that none stays in progress for ever. */
  async sweep(): Promise<void> {
    const { replies, owner, contextMessages, log, logger } = this.#options
    if (this.#isDraining) return
    for (const { ended, next } of await replies.expire(owner, contextMessages)) {
      if (ended !== null) {
        const { reply, end } = ended
        const writer = log.start(reply)
        if (end.message.content !== "") writer.append(end.message.content)
        writer.end(end)
        logger.warn({ reply_id: reply.id, conversation_id: reply.conversationId }, "reply ended: its owner is gone")
      }
      if (next !== null) this.#run(next)
    }
  }

  /** Lets go of a conversation that was deleted. */
  conversationDeleted(conversationId: string): void {
    this.#options.log.drop(conversationId)
    for (const { reply, abort } of this.#productions.values()) {
      if (reply.conversationId === conversationId) abort.abort(replyStopped)
    }
  }

  /** Accepts nothing more, lets replies finish for `graceMs`, then ends the rest as interrupted. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    const timer = setTimeout(() => {
      this.#isOutOfTime = true
      for (const { abort } of this.#productions.values()) abort.abort(shuttingDown)
    }, graceMs)
    // What is being accepted becomes a reply, and a reply that ends may start the next one.
    await this.#serial.settled()
    while (this.#productions.size > 0) await Promise.all([...this.#productions.values()].map((one) => one.finished))
    clearTimeout(timer)
  }

  #run(job: ReplyJob): void {
    const writer = this.#options.log.start(job.reply)
    const production: Production = {
      reply: job.reply,
      writer,
      abort: new AbortController(),
      finished: Promise.resolve(),
    }
    if (job.stopRequested) production.abort.abort(replyStopped)
    else if (this.#isOutOfTime) production.abort.abort(shuttingDown)
    this.#productions.set(job.reply.id, production)
    production.finished = this.#produce(job, production)
  }

  async #produce(job: ReplyJob, { reply, writer, abort }: Production): Promise<void> {
    const { agent, logger } = this.#options
    const log = logger.child({ conversation_id: reply.conversationId, reply_id: reply.id })
    try {
      const outcome = await produceReply(agent, job.context, writer, abort.signal, log)
      if (abort.signal.reason === leaseLost) writer.abandon()
      else await this.#end(reply, outcome, writer)
    } catch (error) {
      // The lease runs out, and the sweep ends the reply with the text that was saved.
      log.error({ err: error }, "the end of a reply could not be saved")
      writer.abandon()
    } finally {
      this.#productions.delete(reply.id)
    }
  }

  async #end(reply: RunningReply, outcome: ReplyOutcome, writer: ReplyWriter): Promise<void> {
    const { replies, owner, contextMessages } = this.#options
    const next = await this.#serial.run(reply.conversationId, async () => {
      const saved = await this.#untilAvailable(reply.id, () => replies.end(reply, outcome, owner, contextMessages))
      // Saved first: a client that reloads on reply.ended must find the message.
      if (saved === null) writer.abandon()
      else writer.end(saved.end)
      return saved?.next ?? null
    })
    if (next !== null) this.#run(next)
  }

  /** A reply was paid for: its end is tried until the database is back, or the node is told to stop. */
  async #untilAvailable<T>(replyId: string, save: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await save()
      } catch (error) {
        const isPassing = error instanceof ChatError && error.code === "unavailable"
        if (!isPassing || this.#productions.get(replyId)?.abort.signal.reason === shuttingDown) throw error
        await delay(saveRetryMs)
      }
    }
  }
}

const leaseLost = new ChatError("interrupted", "Another node took this reply over.")
