import type { FoundMessage } from "../domain.ts"
import type { SearchStore } from "../ports.ts"
import type { Page } from "./conversation-service.ts"
import { type Highlight, Highlighter } from "./highlighter.ts"
import { queryWords } from "./query-words.ts"

/** The place of a message among what was found. */
export interface FoundPlace {
  createdAt: string
  id: string
}

/** What was said, found by its words. */
export class MessageSearch {
  readonly #store: SearchStore

  constructor(store: SearchStore) {
    this.#store = store
  }

  /** The user's messages that have every word of the query, newest first. */
  async find(
    userId: string,
    query: string,
    { limit, before }: { limit: number; before: FoundPlace | undefined },
  ): Promise<Page<FoundMessage & { highlights: Highlight[] }, FoundPlace>> {
    const words = queryWords(query)
    const { found, matched } = await this.#store.find(userId, { words, limit: limit + 1, before })
    const items = found.slice(0, limit)
    const last = items.at(-1)?.message
    const highlighter = new Highlighter(query, matched)
    return {
      items: items.map((one) => ({ ...one, highlights: highlighter.of(one.message.content) })),
      next: found.length > limit && last !== undefined ? { createdAt: last.createdAt, id: last.id } : null,
    }
  }
}
