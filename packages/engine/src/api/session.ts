import { limits } from "@grizz/protocol/constants"
import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"
import type { Cursor } from "../live-ports.ts"
import type { VerifiedUser } from "../ports.ts"

/** Who is connected to what, and until when. */
export class Session {
  readonly userId: string
  readonly conversationId: string
  readonly #clock: Clock
  /** Milliseconds since the Unix epoch. */
  #expiresAt: number
  #isWarned = false
  /** The reply that the connection heard of last, since when, and whether it has not heard its end. */
  #reply = -1
  #replySince = 0
  #isReplyRunning = false

  constructor({ userId, expiresAt }: VerifiedUser, conversationId: string, clock: Clock) {
    this.userId = userId
    this.conversationId = conversationId
    this.#expiresAt = expiresAt
    this.#clock = clock
  }

  get expiresAt(): number {
    return this.#expiresAt
  }

  get isReplyRunning(): boolean {
    return this.#isReplyRunning
  }

  /** @throws ChatError `unauthenticated` when the token has expired */
  requireValid(): void {
    if (this.#expiresAt <= this.#clock.now()) throw new ChatError("unauthenticated", "The token has expired.")
  }

  /** To be told of every point that its connection reaches; the way of every token. */
  reached({ reply, ended }: Cursor): void {
    if (reply !== this.#reply) {
      this.#reply = reply
      this.#replySince = this.#clock.now()
    }
    this.#isReplyRunning = !ended
  }

  /** A later expiry replaces an earlier one. */
  extend(expiresAt: number): void {
    if (expiresAt <= this.#expiresAt) return
    this.#expiresAt = expiresAt
    this.#isWarned = false
  }

  /** What is due now: nothing, once a word of warning, or the end. A reply that began before the expiry may finish. */
  due(): "nothing" | "warning" | "end" {
    const leftMs = this.#expiresAt - this.#clock.now()
    if (leftMs > limits.authWarningMs) return "nothing"
    if (leftMs > 0) {
      if (this.#isWarned) return "nothing"
      this.#isWarned = true
      return "warning"
    }
    const mayFinish = this.#isReplyRunning && this.#replySince < this.#expiresAt && -leftMs < limits.authGraceMs
    return mayFinish ? "nothing" : "end"
  }
}

/** A connection whose time is limited. */
export interface SessionHolder {
  readonly session: Session
  /** The time is up in a minute. */
  warn(expiresAt: number): void
  /** The time is up. */
  expire(): void
}

const sweepMs = 1000

/**
 * Ends connections when their token has expired. One timer looks at all of them every second (a comparison each), so
 * that ten thousand connections need no ten thousand timers.
 */
export class SessionExpiry {
  readonly #clock: Clock
  readonly #holders = new Set<SessionHolder>()
  readonly #timer: NodeJS.Timeout

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = setInterval(() => this.#sweep(), sweepMs)
    this.#timer.unref()
  }

  /** The beginning of a connection. */
  open(user: VerifiedUser, conversationId: string): Session {
    return new Session(user, conversationId, this.#clock)
  }

  /** Watches a connection until the returned function is called. */
  watch(holder: SessionHolder): () => void {
    this.#holders.add(holder)
    return () => void this.#holders.delete(holder)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #sweep(): void {
    for (const holder of this.#holders) {
      const due = holder.session.due()
      if (due === "warning") holder.warn(holder.session.expiresAt)
      if (due !== "end") continue
      this.#holders.delete(holder)
      holder.expire()
    }
  }
}
