/** Runs the tasks of one key one after another, those of different keys side by side. */
export class Serial {
  readonly #tails = new Map<string, Promise<void>>()

  /** Keys with a task now. */
  get size(): number {
    return this.#tails.size
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key)
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#tails.set(key, done)
    try {
      if (before !== undefined) await before
      return await task()
    } finally {
      resolve()
      if (this.#tails.get(key) === done) this.#tails.delete(key)
    }
  }

  /** Resolves when every task that was given until now is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
