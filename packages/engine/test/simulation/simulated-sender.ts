import { ChatError } from "../../src/core/errors.ts"
import type { Ledger } from "./ledger.ts"
import type { SimulatedProcess } from "./simulated-process.ts"

interface Outgoing {
  readonly conversationId: string
  readonly messageId: string
  readonly content: string
  isAcknowledged: boolean
}

/** What refuses a request without doing anything, or without saying what it did. */
const passing = new Set(["unavailable", "reply_in_progress"])

/** A user's requests: each message is sent, on any node and to several at once, until it is acknowledged. */
export class SimulatedSender {
  readonly #ledger: Ledger
  readonly #userId: string
  readonly #outgoing: Outgoing[] = []

  constructor(ledger: Ledger, userId: string) {
    this.#ledger = ledger
    this.#userId = userId
  }

  get unacknowledged(): Outgoing[] {
    return this.#outgoing.filter(({ isAcknowledged }) => !isAcknowledged)
  }

  get count(): number {
    return this.#outgoing.length
  }

  write(conversationId: string): Outgoing {
    const messageId = this.#ledger.world.newId()
    const outgoing = { conversationId, messageId, content: `message ${messageId}`, isAcknowledged: false }
    this.#outgoing.push(outgoing)
    return outgoing
  }

  any(): Outgoing | undefined {
    return this.#ledger.world.random.pick(this.#outgoing)
  }

  send(process: SimulatedProcess, outgoing: Outgoing): void {
    const { conversationId, messageId, content } = outgoing
    this.#request(process, async () => {
      const message = { userId: this.#userId, conversationId, messageId, content, metadata: null }
      try {
        await process.chat.accept(message)
      } catch (error) {
        if (error instanceof ChatError && error.code === "unavailable") this.#ledger.uncertain.add(conversationId)
        throw error
      }
      const isStored = this.#ledger.acceptedMessages.has(messageId)
      this.#ledger.world.check(isStored, () => `message ${messageId} was acknowledged before its commit`)
      // The acknowledgement may get lost on its way to the client.
      if (!this.#ledger.world.random.chance(this.#ledger.world.faultRate)) outgoing.isAcknowledged = true
    })
  }

  stop(process: SimulatedProcess, replyId: string): void {
    this.#request(process, () => process.chat.stop(this.#userId, replyId))
  }

  erase(process: SimulatedProcess, conversationId: string, messageId: string): void {
    this.#request(process, async () => {
      try {
        await process.chat.eraseMessage(this.#userId, conversationId, messageId)
      } catch (error) {
        if (!(error instanceof ChatError && error.code === "not_found")) throw error
      }
    })
  }

  retry(process: SimulatedProcess, replyId: string): void {
    this.#request(process, async () => {
      try {
        await process.chat.retry(this.#userId, replyId)
      } catch (error) {
        if (!(error instanceof ChatError && error.code === "conflict")) throw error
      }
    })
  }

  #request(process: SimulatedProcess, task: () => Promise<void>): void {
    const { world } = this.#ledger
    process.life.post(() => {
      task().catch((error: unknown) => {
        const isPassing = error instanceof ChatError && passing.has(error.code)
        world.check(isPassing, () => `a request was refused: ${String(error)}`)
      })
    })
  }
}
