import { ChatError } from "../core/errors.ts"
import type { Message } from "../domain.ts"
import type { ReplyLog } from "../live-ports.ts"
import type { ConcurrentSends, NewMessage, ReplyStore } from "../ports.ts"
import type { ReplyRunner } from "./reply-runner.ts"
import type { Serial } from "./serial.ts"
import { twice } from "./twice.ts"

export interface ChatServiceOptions {
  replies: ReplyStore
  log: ReplyLog
  runner: ReplyRunner
  /** Shared with the runner. */
  serial: Serial
  /** Names this process as a holder of leases; the runner's. */
  owner: string
  /** Messages that the model sees at most, the new one counted in. */
  contextMessages: number
  concurrentSends: ConcurrentSends
  newId: () => string
  /** Monotonic, in ms. */
  now: () => number
}

/** What became of a send. */
export interface Sent {
  outcome: "accepted" | "repeat"
  /** Null where the user erased it since. */
  message: Message | null
  /** The newest reply to it. */
  replyId: string
}

/** What users do: say something, stop a reply, ask for another one, erase. Nothing here knows who reads. */
export class ChatService {
  readonly #options: ChatServiceOptions
  #isDraining = false

  constructor(options: ChatServiceOptions) {
    this.#options = options
  }

  /**
   * Saves the message and begins, or queues, its reply. Resolves after the commit; a repeat joins the first one.
   * @throws ChatError `not_found`, `conflict`, `reply_in_progress`, `unavailable`
   */
  async accept(message: Omit<NewMessage, "replyId">): Promise<Sent> {
    const { replies, log, runner, serial, owner, contextMessages, concurrentSends, newId, now } = this.#options
    if (this.#isDraining) throw new ChatError("unavailable", "The server is restarting. Send this again in a moment.")
    return serial.run(message.conversationId, async () => {
      const beforeMs = now()
      const proposedId = newId()
      const proposed = { ...message, replyId: proposedId }
      const accepted = await twice(() => replies.accept(proposed, owner, contextMessages, concurrentSends))
      switch (accepted.outcome) {
        case "not_found":
          throw new ChatError("not_found", "There is no such conversation.")
        case "conflict":
          throw new ChatError("conflict", "This id belongs to another message.")
        case "in_progress":
          throw new ChatError("reply_in_progress", "A reply is in progress. Wait for its end, or stop it.")
        case "accepted":
          runner.stop(accepted.interrupted)
          log.announce(accepted.message, accepted.replyId, accepted.job !== null)
          if (accepted.job !== null) runner.run(accepted.job, beforeMs)
          return { outcome: "accepted", message: accepted.message, replyId: accepted.replyId }
        case "repeat": {
          const { message: known, job, replyId } = accepted
          // This very send was committed, and the answer to its first try was lost.
          const isOurs = replyId === proposedId
          if (known !== null && isOurs) log.announce(known, replyId, job !== null)
          // Another send's job was begun here, and maybe let go: a second model call for it would mix two texts.
          if (job !== null && isOurs) runner.run(job, beforeMs)
          return { outcome: isOurs ? "accepted" : "repeat", message: known, replyId }
        }
      }
    })
  }

  /** Stops a reply, running or queued; the text so far is kept. @throws ChatError `not_found` */
  async stop(userId: string, replyId: string): Promise<void> {
    const outcome = await this.#options.replies.requestStop(userId, replyId)
    if (outcome === null) throw new ChatError("not_found", "There is no such reply.")
    this.#options.runner.stop([replyId])
  }

  /**
   * A new reply to the message of the newest reply, once that has ended.
   * @throws ChatError `not_found`, `conflict`, `unavailable`
   */
  async retry(userId: string, replyId: string): Promise<{ replyId: string; messageId: string }> {
    const { replies, runner, serial, owner, contextMessages, newId, now } = this.#options
    if (this.#isDraining) throw new ChatError("unavailable", "The server is restarting. Try again in a moment.")
    const conversationId = await replies.conversationOf(userId, replyId)
    if (conversationId === null) throw new ChatError("not_found", "There is no such reply.")
    return serial.run(conversationId, async () => {
      const beforeMs = now()
      const newReplyId = newId()
      const retried = await twice(() => replies.retry(userId, replyId, newReplyId, owner, contextMessages))
      if (retried === "not_found") throw new ChatError("not_found", "There is no such reply.")
      if (retried === "conflict")
        throw new ChatError(
          "conflict",
          "Only the newest reply to a message that is there can be tried again, once it has ended.",
        )
      if (retried.job !== null) runner.run(retried.job, beforeMs)
      return { replyId: newReplyId, messageId: retried.messageId }
    })
  }

  /** Erases a message's text everywhere; a reply to it that is under way is stopped. @throws ChatError `not_found` */
  async eraseMessage(userId: string, conversationId: string, messageId: string): Promise<void> {
    const { replies, runner, log, serial } = this.#options
    await serial.run(conversationId, async () => {
      let mayBeDone = false
      const erased = await twice((isRepeat) => {
        mayBeDone = isRepeat
        return replies.erase(userId, conversationId, messageId)
      })
      if (erased !== null) {
        log.remove(conversationId, messageId, erased.count)
        return runner.stop(erased.stopped)
      }
      // It may be gone by a call whose answer was lost, and then nobody was told.
      log.look(conversationId)
      if (!mayBeDone) throw new ChatError("not_found", "There is no such message.")
    })
  }

  /** Lets go of a conversation that was deleted. @param isCertain false: it may have been, by a call that nobody heard of */
  conversationDeleted(conversationId: string, isCertain: boolean): void {
    if (!isCertain) return this.#options.log.look(conversationId)
    this.#options.log.drop(conversationId)
    this.#options.runner.stopConversation(conversationId)
  }

  /** Accepts nothing more, and sees the replies to their end or to another node. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true
    await this.#options.runner.drain(graceMs)
  }
}
