import { type Every, everyInterval, type HeldRead } from "./read-hold.ts"

/** What a read costs beside its bytes, and a chunk of HTTP beside its own, as so many bytes. */
const readBytes = 2048
const chunkBytes = 64
/** What an answer may bring as fast as it comes. */
const allowanceBytes = 256 * 1024
/** What it may bring from then on: 1,700 tokens a second that come one by one, which take a few hundredths of a core. */
const bytesPerMs = 4 * 1024
/** How often one of those that wait reads once, in ms. */
const brakeStepMs = 8

export interface FloodBrakeOptions {
  every?: Every | undefined
  /** Monotonic, in ms. Default: the process's. */
  now?: (() => number) | undefined
}

/**
 * Answers that come faster than anybody can read them wait, and read one after the other, one read a step: all floods
 * together leave the loop to everybody else, and their models, whose sockets are full, the machine.
 */
export class FloodBrake {
  readonly now: () => number
  readonly #every: Every
  readonly #waiting: HeldRead[] = []
  #stop: (() => void) | null = null

  constructor({ every = everyInterval, now = () => performance.now() }: FloodBrakeOptions) {
    this.#every = every
    this.now = now
  }

  wait(read: HeldRead): void {
    this.#waiting.push(read)
    this.#stop ??= this.#every(brakeStepMs, () => this.#tick())
  }

  #tick(): void {
    this.#waiting.shift()?.readOn()
    if (this.#waiting.length > 0) return
    this.#stop?.()
    this.#stop = null
  }
}

/** How much of what it may bring an answer has left. */
export class ReadAllowance {
  readonly #now: () => number
  #leftBytes = allowanceBytes
  #sinceMs: number

  constructor(now: () => number) {
    this.#now = now
    this.#sinceMs = now()
  }

  /** Whether it was left less than nothing by the last read. */
  get isOver(): boolean {
    return this.#leftBytes < 0
  }

  /** The clock is looked at only when nothing seems left. */
  spend(bytes: number, chunks: number): void {
    this.#leftBytes -= readBytes + bytes + chunkBytes * chunks
    if (this.#leftBytes >= 0) return
    const nowMs = this.#now()
    this.#leftBytes = Math.min(this.#leftBytes + (nowMs - this.#sinceMs) * bytesPerMs, allowanceBytes)
    this.#sinceMs = nowMs
  }
}
