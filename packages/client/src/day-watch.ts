import type { ConversationResource } from "@grizz/protocol"
import { localDay, untilMidnightMs } from "./local-day.ts"

/** The longest that a device's clock is trusted to run on as foreseen, in ms. */
const lookEveryMs = 15 * 60_000
const recheckMaxMs = 60 * 60_000

export interface DayWatchOptions {
  /** The user's zone at this moment: it may change while they travel. */
  timezone: () => string
  /** Milliseconds since the Unix epoch. */
  now: () => number
  /** Today's conversation as the engine sees it now. @throws GrizzError */
  today: () => Promise<ConversationResource>
  recheckMs: number
  onOver: () => void
}

/** Tells once that the day of a `today` is over: at midnight, or when the device comes back after it. */
export class DayWatch {
  readonly #options: DayWatchOptions
  #opened: ConversationResource | null = null
  /** This device's day was not the engine's when the conversation was opened: one of the clocks is wrong. */
  #isSkewed = false
  #rechecks = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: DayWatchOptions) {
    this.#options = options
  }

  /** To be called once, with the engine's answer and with what `day` was when it was asked. */
  start(opened: ConversationResource, day: string): void {
    this.#opened = opened
    this.#isSkewed = day !== opened.conv_day
    this.look()
  }

  /** This device's day, as `YYYY-MM-DD`. */
  day(): string {
    return localDay(this.#options.now(), this.#options.timezone())
  }

  /** Until the next `look`. */
  pause(): void {
    clearTimeout(this.#timer)
  }

  /** To be called also when the device wakes up. */
  look(): void {
    const { timezone, now, recheckMs } = this.#options
    if (this.#opened === null) return
    // Read once: where midnight came between two readings, the next one would be waited for.
    const atMs = now()
    if (this.#isSkewed) this.#after(Math.min(recheckMaxMs, recheckMs * 2 ** this.#rechecks++), () => void this.#ask())
    else if (localDay(atMs, timezone()) !== this.#opened.conv_day) this.#over()
    else this.#after(Math.min(lookEveryMs, untilMidnightMs(atMs, timezone())), () => this.look())
  }

  /** By the device's clock the day would be over at once, again and again: the engine's counts. */
  async #ask(): Promise<void> {
    const opened = this.#opened
    // Out of reach for now counts as the same day.
    const today = await this.#options.today().catch(() => opened)
    if (opened === null || opened !== this.#opened) return
    if (today?.id !== opened.id) return this.#over()
    // Where midnight came between the question and its answer, no clock is wrong.
    this.#isSkewed = this.day() !== opened.conv_day
    this.look()
  }

  #over(): void {
    this.pause()
    this.#opened = null
    this.#options.onOver()
  }

  #after(waitMs: number, action: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, waitMs)
  }
}
