/** Longest wait that Node.js's timers know; a longer one would fire at once. */
const timerMaxMs = 2_147_483_647

/**
 * The time limits of one call: the current phase's and the whole's. One timer serves both and `renew` leaves it alone, so
 * that each piece of news costs a look at the clock only.
 */
export class Watchdog {
  readonly #onExpired: (limit: "phase" | "total") => void
  readonly #totalDeadline: number
  #limitMs: number
  /** In whole ms, which V8 keeps in the object itself: each piece of news moves it. */
  #deadline: number
  #timer: NodeJS.Timeout | undefined

  /** Limits in ms, from now on. */
  constructor(totalMs: number, phaseMs: number, onExpired: (limit: "phase" | "total") => void) {
    const now = performance.now()
    this.#onExpired = onExpired
    this.#totalDeadline = now + totalMs
    this.#limitMs = phaseMs
    this.#deadline = Math.ceil(now) + phaseMs
    this.#arm(now)
  }

  /** Begins the next phase, whose limit counts from now. */
  restart(phaseMs: number): void {
    const now = performance.now()
    this.#limitMs = phaseMs
    this.#deadline = Math.ceil(now) + phaseMs
    this.#arm(now)
  }

  /** The current phase's limit counts from now again. */
  renew(): void {
    this.#deadline = Math.ceil(performance.now()) + this.#limitMs
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(now: number): void {
    clearTimeout(this.#timer)
    const remainingMs = Math.min(this.#deadline, this.#totalDeadline) - now
    this.#timer = setTimeout(() => this.#check(), Math.min(Math.max(Math.ceil(remainingMs), 1), timerMaxMs))
  }

  #check(): void {
    const now = performance.now()
    if (now >= this.#totalDeadline) this.#onExpired("total")
    else if (now >= this.#deadline) this.#onExpired("phase")
    else this.#arm(now)
  }
}
