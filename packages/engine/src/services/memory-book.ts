import { ChatError } from "../core/errors.ts"
import type { Memory } from "../domain.ts"
import type { MemoryStore } from "../memory-ports.ts"
import type { Page } from "./conversation-service.ts"

/** The place of a memory in the list. */
export interface MemoryPlace {
  createdAt: string
  id: string
}

/** What a user sees of the memory, and does to it. Someone else's id is `not_found`, like a missing one. */
export class MemoryBook {
  readonly #memories: MemoryStore
  readonly #newId: () => string

  constructor(memories: MemoryStore, newId: () => string) {
    this.#memories = memories
    this.#newId = newId
  }

  async list(
    userId: string,
    request: { limit: number; before: MemoryPlace | undefined; text: string | undefined; superseded: boolean },
  ): Promise<Page<Memory, MemoryPlace>> {
    const rows = await this.#memories.list(userId, { ...request, limit: request.limit + 1 })
    const items = rows.slice(0, request.limit)
    const last = items.at(-1)
    const hasMore = rows.length > request.limit && last !== undefined
    return { items, next: hasMore ? { createdAt: last.createdAt, id: last.id } : null }
  }

  async remember(userId: string, text: string, isPinned: boolean): Promise<Memory> {
    return this.#memories.addNote(userId, { id: this.#newId(), text, isPinned })
  }

  /** Answers the memory that holds now, which has another id where the text is another. @throws ChatError `conflict` for one that was corrected before */
  async correct(userId: string, memoryId: string, text: string | null, isPinned: boolean | null): Promise<Memory> {
    const corrected = await this.#memories.correct(userId, memoryId, { id: this.#newId(), text, isPinned })
    if (corrected === "superseded")
      throw new ChatError("conflict", "This memory was corrected before; see superseded_by.")
    if (corrected === null) throw new ChatError("not_found", "There is no such memory.")
    return corrected
  }

  async forget(userId: string, memoryId: string): Promise<void> {
    if (!(await this.#memories.forget(userId, memoryId))) throw new ChatError("not_found", "There is no such memory.")
  }

  isPaused(userId: string): Promise<boolean> {
    return this.#memories.isPaused(userId)
  }

  setPaused(userId: string, isPaused: boolean): Promise<void> {
    return this.#memories.setPaused(userId, isPaused)
  }
}
