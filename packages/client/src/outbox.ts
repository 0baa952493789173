import type { PendingMessage } from "./conversation-state.ts"
import { hasText, parseJson } from "./has-text.ts"
import { keysOf, type MessageStorage } from "./storage.ts"

/** A message that waits for the engine, as it is kept. */
export interface KeptMessage extends PendingMessage {
  /** Null: for today's conversation, which was not known yet. */
  readonly conversationId: string | null
}

interface Stored extends KeptMessage {
  readonly userId: string
}

const prefix = "grizz.outbox."

/**
 * Messages that the engine has not acknowledged. Each is an item of its own, under its id: two tabs on one storage
 * never write the same item with something else, so neither takes anything from the other.
 */
export class Outbox {
  readonly #storage: MessageStorage
  readonly #userId: () => string | null
  readonly #onError: (error: unknown) => void
  /** Kept here until it is known whose they are. */
  readonly #unowned = new Map<string, KeptMessage>()
  /** The last change under way; null: none. */
  #writing: Promise<void> | null = null

  constructor(storage: MessageStorage, userId: () => string | null, onError: (error: unknown) => void) {
    this.#storage = storage
    this.#userId = userId
    this.#onError = onError
  }

  /** At once where the storage is synchronous, so that not even a reload right after it loses the message. */
  keep(message: KeptMessage): void {
    const userId = this.#userId()
    if (userId === null) {
      this.#unowned.set(message.id, message)
      return
    }
    const stored: Stored = { ...message, userId }
    this.#write(() => this.#storage.setItem(prefix + message.id, JSON.stringify(stored)))
  }

  forget(id: string): void {
    this.#unowned.delete(id)
    this.#write(() => this.#storage.removeItem(prefix + id))
  }

  /** The user is known: what was said before that is theirs. */
  identified(): void {
    const messages = [...this.#unowned.values()]
    this.#unowned.clear()
    for (const message of messages) this.keep(message)
  }

  /** This user's messages, in the order in which they were sent. */
  async read(): Promise<KeptMessage[]> {
    try {
      await this.#writing
      const keys = (await keysOf(this.#storage)).filter((key) => key.startsWith(prefix))
      const items = await Promise.all(keys.map(async (key) => parseJson((await this.#storage.getItem(key)) ?? "")))
      const userId = this.#userId()
      return items
        .filter(isStored)
        .filter((item) => item.userId === userId)
        .sort((one, other) => one.sentAt - other.sentAt)
    } catch (error) {
      this.#onError(error)
      return []
    }
  }

  /** One change after the other, in their order; the first at once. */
  #write(change: () => PromiseLike<void> | void): void {
    const before = this.#writing
    const writing = before === null ? this.#change(change) : before.then(() => this.#change(change))
    this.#writing = writing
    void writing.then(() => {
      if (this.#writing === writing) this.#writing = null
      return null
    })
  }

  async #change(change: () => PromiseLike<void> | void): Promise<void> {
    try {
      await change()
    } catch (error) {
      this.#onError(error)
    }
  }
}

function isStored(value: unknown): value is Stored {
  return hasText(value, "userId") && hasText(value, "content")
}
