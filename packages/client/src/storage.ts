type Awaitable<Value> = Value | PromiseLike<Value>

/**
 * Where messages wait until the engine has them. `localStorage` and React Native's `AsyncStorage` fit as they are; one
 * of the two ways to list the keys is enough.
 */
export interface MessageStorage {
  getItem(key: string): Awaitable<string | null>
  setItem(key: string, value: string): Awaitable<void>
  removeItem(key: string): Awaitable<void>
  getAllKeys?(): Awaitable<readonly string[]>
  readonly length?: number
  key?(index: number): string | null
}

/** Lives as long as the page or process. */
export class MemoryStorage implements MessageStorage {
  readonly #items = new Map<string, string>()

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value)
  }

  removeItem(key: string): void {
    this.#items.delete(key)
  }

  getAllKeys(): string[] {
    return [...this.#items.keys()]
  }
}

/** The browser's own where there is one and the page may use it. */
export function defaultStorage(): MessageStorage {
  try {
    if (typeof document !== "undefined") return localStorage
  } catch {
    // Blocked by the browser's settings: then messages wait as long as the page is open.
  }
  return new MemoryStorage()
}

export async function keysOf(storage: MessageStorage): Promise<readonly string[]> {
  if (storage.getAllKeys !== undefined) return storage.getAllKeys()
  const keys = Array.from({ length: storage.length ?? 0 }, (_, index) => storage.key?.(index) ?? null)
  return keys.filter((key) => key !== null)
}
