/** What can be held: it has stopped reading, and reads again when it is told to. */
export interface HeldRead {
  readOn(): void
}

/** Calls `tick` every `intervalMs` until what it returns is called. */
export type Every = (intervalMs: number, tick: () => void) => () => void

export interface ReadHoldOptions {
  /** Longest hold, in whole ms; 0 holds nothing. */
  maxMs: number
  /** Default: one of the process's timers. */
  every?: Every | undefined
}

/** Up to so many answers at once nothing is held: there is little to save. */
const freeAnswers = 25
/** From so many on, holds are as long as they may be. */
const fullAnswers = 100
/** The longest hold takes at most so many steps of the timer. */
const stepsMax = 6
/** A step that resumes so many more than the one before it is a burst that others have to wait for. */
const burstReads = 16

/**
 * How long the sockets of a client's answers are left unread after each read: the more answers there are at once, the
 * longer. What arrives meanwhile waits in the kernel, so that several tokens cost one read, one parse and one write. One
 * timer serves all, and runs only while something is held.
 */
export class ReadHold {
  readonly #stepMs: number
  readonly #steps: number
  readonly #every: Every
  /** What each of the coming steps resumes, as a ring; nothing is put where `#at` is. */
  readonly #ring: HeldRead[][]
  #at = 0
  #held = 0
  #answers = 0
  #stop: (() => void) | null = null

  constructor({ maxMs, every = everyInterval }: ReadHoldOptions) {
    this.#stepMs = Math.max(1, Math.ceil(maxMs / stepsMax))
    this.#steps = Math.floor(maxMs / this.#stepMs)
    this.#every = every
    this.#ring = Array.from({ length: this.#steps + 1 }, () => [])
  }

  /** An answer has given its first text. */
  begin(): void {
    this.#answers += 1
  }

  /** It is over. */
  end(): void {
    this.#answers -= 1
  }

  /** How long a read is held now at most, in ms. */
  get holdMs(): number {
    return this.#stepsNow() * this.#stepMs
  }

  /** Holds what has just been read; false when it is to read on. */
  hold(read: HeldRead): boolean {
    const steps = this.#stepsNow()
    if (steps === 0) return false
    const last = this.#after(steps)
    const early = this.#after(steps - 1)
    // Rather a little shorter than many at once: answers that began together spread out.
    if (steps > 1 && last.length >= early.length + burstReads) early.push(read)
    else last.push(read)
    this.#held += 1
    this.#stop ??= this.#every(this.#stepMs, () => this.#tick())
    return true
  }

  /** Grows with the answers, from none to all. */
  #stepsNow(): number {
    const share = (this.#answers - freeAnswers) / (fullAnswers - freeAnswers)
    return Math.ceil(Math.min(Math.max(share, 0), 1) * this.#steps)
  }

  #after(steps: number): HeldRead[] {
    return this.#ring[(this.#at + steps) % this.#ring.length]!
  }

  #tick(): void {
    this.#at = (this.#at + 1) % this.#ring.length
    const due = this.#ring[this.#at]!
    this.#ring[this.#at] = []
    this.#held -= due.length
    for (const read of due) read.readOn()
    if (this.#held > 0) return
    this.#stop?.()
    this.#stop = null
  }
}

/** One of the process's timers. */
export function everyInterval(intervalMs: number, tick: () => void): () => void {
  const timer = setInterval(tick, intervalMs)
  return () => clearInterval(timer)
}
