/** Numbers that follow from a seed, so that a run's choices can be made again. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An independent stream; the same name of the same parent gives the same one, whatever was drawn meanwhile. */
  static of(seed: number, name: string): Random {
    let hash = seed >>> 0
    for (const unit of name) hash = Math.imul(hash ^ unit.codePointAt(0)!, 0x01000193) >>> 0
    const random = new Random(hash)
    for (let draws = 0; draws < 4; draws++) random.next()
    return random
  }

  /** From 0 up to, and not with, 1. (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min)
  }

  /** A whole number, both bounds counted in. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.next() * choices.length)]
    if (choice === undefined) throw new Error("There is nothing to pick from.")
    return choice
  }
}
