import { SeededRandom } from "./seeded-random.ts"

/** Something that will happen, once it can, at a moment that the seed decides. */
export interface Waiting {
  canHappen(): boolean
  happen(): void
}

/** Time, chance, what is on its way, and what went wrong. */
export class World {
  readonly random: SeededRandom
  /** True time, which is also the database's; in ms since the Unix epoch. */
  timeMs = Date.UTC(2026, 0, 1)
  /** Chance that a call of the database fails, in each of three ways. */
  faultRate = 0
  /** No process fails and no time passes but the healing's, so that nothing needs a second attempt. */
  isCalm = false
  readonly violations: string[] = []
  #waiting: Waiting[] = []
  #ids = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  get isQuiet(): boolean {
    return this.#waiting.length === 0
  }

  newId(): string {
    this.#ids += 1
    return `00000000-0000-7000-8000-${this.#ids.toString(16).padStart(12, "0")}`
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting)
  }

  /** Lets one of the things happen that can; false when there is none. */
  letOneHappen(): boolean {
    const chosen = this.random.pick(this.#waiting.filter((one) => one.canHappen()))
    if (chosen === undefined) return false
    this.forget(chosen)
    chosen.happen()
    return true
  }

  forget(gone: Waiting): void {
    this.#waiting = this.#waiting.filter((one) => one !== gone)
  }

  violate(what: string): void {
    this.violations.push(what)
  }

  check(holds: boolean, what: () => string): void {
    if (!holds) this.violate(what())
  }
}
