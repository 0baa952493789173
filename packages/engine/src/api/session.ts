import { limits } from "@grizz/protocol/constants"
import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"
import type { Cursor, VerifiedUser } from "../ports.ts"

/** Who is connected to what, and until when. */
export class Session {
  readonly userId: string
  readonly conversationId: string
  /** Milliseconds since the Unix epoch. */
  #expiresAt: number
  #isWarned = false
  /** The reply that the connection heard of last, and whether it has heard its end. */
  #reply = -1
  #isReplyRunning = false
  /** The reply that ran when the time was up. */
  #lastReply: number | null = null

  constructor({ userId, expiresAt }: VerifiedUser, conversationId: string) {
    this.userId = userId
    this.conversationId = conversationId
    this.#expiresAt = expiresAt
  }

  get expiresAt(): number {
    return this.#expiresAt
  }

  /** To be told of every point that its connection reaches. */
  reached({ reply, ended }: Cursor): void {
    this.#reply = reply
    this.#isReplyRunning = !ended
  }

  /** A later expiry replaces an earlier one. */
  extend(expiresAt: number): void {
    if (expiresAt <= this.#expiresAt) return
    this.#expiresAt = expiresAt
    this.#isWarned = false
    this.#lastReply = null
  }

  /** What is due now: nothing, once a word of warning, or the end. */
  dueAt(nowMs: number): "nothing" | "warning" | "end" {
    const leftMs = this.#expiresAt - nowMs
    if (leftMs > limits.authWarningMs) return "nothing"
    if (leftMs > 0) {
      if (this.#isWarned) return "nothing"
      this.#isWarned = true
      return "warning"
    }
    this.#lastReply ??= this.#reply
    const mayFinish = this.#isReplyRunning && this.#reply === this.#lastReply && -leftMs < limits.authGraceMs
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

  /** Watches a connection until the returned function is called. */
  watch(holder: SessionHolder): () => void {
    this.#holders.add(holder)
    return () => void this.#holders.delete(holder)
  }

  /** @throws ChatError `unauthenticated` when the session's token has expired */
  requireValid(session: Session): void {
    if (session.expiresAt > this.#clock.now()) return
    throw new ChatError("unauthenticated", "The token has expired.")
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #sweep(): void {
    const nowMs = this.#clock.now()
    for (const holder of this.#holders) {
      const due = holder.session.dueAt(nowMs)
      if (due === "warning") holder.warn(holder.session.expiresAt)
      if (due !== "end") continue
      this.#holders.delete(holder)
      holder.expire()
    }
  }
}
