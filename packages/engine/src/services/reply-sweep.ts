import type { Logger } from "../core/logger.ts"
import type { ReplyLog } from "../live-ports.ts"
import type { ReplyStore } from "../ports.ts"
import type { ReplyRunner } from "./reply-runner.ts"
import type { Serial } from "./serial.ts"
import { twice } from "./twice.ts"

export interface ReplySweepOptions {
  replies: ReplyStore
  log: ReplyLog
  runner: ReplyRunner
  logger: Logger
  /** Shared with the runner. */
  serial: Serial
  /** Names this process as a holder of leases; the runner's. */
  owner: string
  contextMessages: number
  /** Model calls for one reply at most, those handed over not counted. */
  maxCalls: number
  /** Monotonic, in ms. */
  now: () => number
}

/** Sees to it that every reply ends, also one whose owner is gone. Every node sweeps; none leads. */
export class ReplySweep {
  readonly #options: ReplySweepOptions
  /** Conversations whose replies wait to be taken over. */
  readonly #taking = new Set<string>()

  constructor(options: ReplySweepOptions) {
    this.#options = options
  }

  /**
   * Goes on with, or ends, each reply whose owner is gone, when it is its conversation's turn. Only after a heartbeat: what
   * is alive here is renewed first. Does not wait for them: a conversation that is at work here may take long, and the
   * leases of all others would wait with it.
   * @throws ChatError `unavailable`
   */
  async sweep(): Promise<void> {
    const { replies, runner, serial, logger } = this.#options
    if (runner.isDraining) return
    for (const id of await replies.lateConversations()) {
      if (this.#taking.has(id)) continue
      this.#taking.add(id)
      serial
        .run(id, () => this.#takeOver(id))
        .catch((error: unknown) => logger.warn({ err: error, conversation_id: id }, "a reply could not be taken over"))
        .finally(() => this.#taking.delete(id))
    }
  }

  /** In the conversation's turn: nothing else of it is committed or announced here meanwhile. */
  async #takeOver(conversationId: string): Promise<void> {
    const { replies, runner, owner, contextMessages, maxCalls, log, logger, now } = this.#options
    if (runner.isDraining) return
    const beforeMs = now()
    const taken = await twice(() => replies.takeOver(conversationId, owner, contextMessages, maxCalls))
    if (taken === null) return
    const { ended, next } = taken
    if (ended !== null) {
      const writer = log.start(ended.reply)
      if (ended.end.message.content !== "") writer.append(ended.end.message.content)
      writer.end(ended.end)
      logger.warn({ reply_id: ended.reply.id, status: ended.end.status }, "ended a reply whose owner is gone")
    }
    if (next === null) return
    if (next.reply.attempt > 1)
      logger.warn({ reply_id: next.reply.id, attempt: next.reply.attempt }, "took a reply over")
    // Its first owner may have died between the commit and the announcement.
    if (next.message !== null) log.announce(next.message, next.reply.id, false)
    await runner.begin(next, beforeMs)
  }
}
