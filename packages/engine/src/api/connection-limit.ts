import { limits } from "@grizz/protocol/constants"
import { ChatError } from "../core/errors.ts"

/** Counts each user's open connections, sockets and event streams together. */
export class ConnectionLimit {
  readonly #open = new Map<string, number>()

  /** Takes a place until the returned function is called, once. @throws ChatError `rate_limited` */
  take(userId: string): () => void {
    const count = (this.#open.get(userId) ?? 0) + 1
    if (count > limits.socketsPerUser) throw new ChatError("rate_limited", "too many connections of this user")
    this.#open.set(userId, count)
    return () => {
      const left = this.#open.get(userId)! - 1
      if (left > 0) this.#open.set(userId, left)
      else this.#open.delete(userId)
    }
  }
}
