/** Gives what is pushed to whoever iterates, in order; each iteration has what was pushed since it was asked for. */
export class EventFeed<Event> {
  readonly #readers = new Set<Reader<Event>>()

  push(event: Event): void {
    for (const reader of this.#readers) {
      reader.events.push(event)
      reader.wake()
    }
  }

  /** Ends every iteration after what it still holds: with an error, or without. */
  end(error: Error | null): void {
    for (const reader of this.#readers) {
      reader.end = { error }
      reader.wake()
    }
  }

  /** Ends without an error when the signal is aborted. @throws what `end` was given */
  read(signal?: AbortSignal): AsyncGenerator<Event, void> {
    const reader: Reader<Event> = { events: [], end: null, wake: () => {} }
    this.#readers.add(reader)
    return this.#drain(reader, signal)
  }

  async *#drain(reader: Reader<Event>, signal: AbortSignal | undefined): AsyncGenerator<Event, void> {
    const wake = () => reader.wake()
    signal?.addEventListener("abort", wake)
    try {
      for (;;) {
        if (signal?.aborted === true) return
        const [event] = reader.events.splice(0, 1)
        if (event !== undefined) yield event
        else if (reader.end === null) await new Promise<void>((resolve) => (reader.wake = resolve))
        else if (reader.end.error === null) return
        else throw reader.end.error
      }
    } finally {
      signal?.removeEventListener("abort", wake)
      this.#readers.delete(reader)
    }
  }
}

interface Reader<Event> {
  events: Event[]
  end: { error: Error | null } | null
  wake: () => void
}
