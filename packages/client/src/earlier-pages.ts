import type { MessagePage, ServerFrame } from "@grizz/protocol"
import type { ConversationState, LocalEvent } from "./conversation-state.ts"
import { pageDefault, pageMax } from "./protocol-limits.ts"

export interface EarlierPagesOptions {
  state: () => ConversationState
  page: (query: { before: string | null; limit: number }, signal: AbortSignal | undefined) => Promise<MessagePage>
  apply: (event: LocalEvent) => void
}

/** Reads history backwards, page by page, from the first message held. */
export class EarlierPages {
  readonly #options: EarlierPagesOptions
  /** Page cursor of the messages before the first one held; null until history was asked for. */
  #before: string | null = null
  #loading: { signal: AbortSignal | undefined; page: Promise<void> } | null = null
  /** How many times history was begun anew, or lost a message. */
  #changes = 0

  constructor(options: EarlierPagesOptions) {
    this.#options = options
  }

  heard(frame: ServerFrame): void {
    const isSnapshot = frame.type === "ready" && frame.messages !== null
    // A snapshot starts the history over, and so its paging.
    if (isSnapshot) this.#before = null
    if (isSnapshot || frame.type === "message.removed") this.#changes++
  }

  /** One page; whoever asks while it is read waits for the same. @throws GrizzError; the signal's reason */
  load(signal: AbortSignal | undefined, limit: number = pageDefault): Promise<void> {
    const loading = (this.#loading ??= {
      signal,
      page: this.#load(signal, limit).finally(() => {
        this.#loading = null
      }),
    })
    return loading.page.catch((error: unknown) => {
      // Whoever began it let go of it; this one did not.
      if (loading.signal?.aborted === true && signal?.aborted !== true) return this.load(signal, limit)
      throw error
    })
  }

  async #load(signal: AbortSignal | undefined, count: number): Promise<void> {
    const { state, page, apply } = this.#options
    const { messages, hasEarlier } = state()
    if (!hasEarlier) return
    const before = this.#before
    const changes = this.#changes
    // Without a page cursor yet, the newest page is asked for, long enough to reach beyond what is held.
    const held = before === null ? messages.length : 0
    const limit = Math.min(pageMax, held + count)
    const { data, next_cursor } = await page({ before, limit }, signal)
    // What was erased meanwhile may still be in the page.
    if (changes !== this.#changes) return this.#load(signal, count)
    this.#before = next_cursor
    apply({ type: "earlier.loaded", messages: data, hasEarlier: next_cursor !== null })
  }
}
