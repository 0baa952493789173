import type { Clock } from "../core/clock.ts"
import { ChatError } from "../core/errors.ts"
import type { Conversation, Message } from "../domain.ts"
import type { ConversationPageRequest, ConversationStore, MessageStore } from "../ports.ts"
import { localDay, parseTimezone } from "./local-day.ts"
import { twice } from "./twice.ts"

/** The place of a row in the list of conversations. */
export interface ListPlace {
  updatedAt: string
  id: string
}

export interface Page<Item, Place> {
  items: Item[]
  next: Place | null
}

/** The user's conversations and their history. Someone else's id is `not_found`, like a missing one. */
export class ConversationService {
  readonly #conversations: ConversationStore
  readonly #messages: MessageStore
  readonly #clock: Clock
  readonly #onDelete: (conversationId: string, isCertain: boolean) => void

  /** @param onDelete told of what was deleted, or may have been: then `isCertain` is false */
  constructor(
    conversations: ConversationStore,
    messages: MessageStore,
    clock: Clock,
    onDelete: (conversationId: string, isCertain: boolean) => void,
  ) {
    this.#conversations = conversations
    this.#messages = messages
    this.#clock = clock
    this.#onDelete = onDelete
  }

  /** @throws ChatError `invalid_request` for an unknown zone */
  async today(userId: string, timezone: string): Promise<Conversation> {
    const zone = parseTimezone(timezone)
    return this.#conversations.today(userId, localDay(this.#clock.now(), zone), zone)
  }

  async create(userId: string, title: string | null): Promise<Conversation> {
    return this.#conversations.create(userId, title)
  }

  async list(userId: string, request: ConversationPageRequest): Promise<Page<Conversation, ListPlace>> {
    const { limit } = request
    const rows = await this.#conversations.list(userId, { ...request, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    return {
      items,
      next: rows.length > limit && last !== undefined ? { updatedAt: last.updatedAt, id: last.id } : null,
    }
  }

  async find(userId: string, conversationId: string): Promise<Conversation> {
    return existing(await this.#conversations.find(userId, conversationId))
  }

  async rename(userId: string, conversationId: string, title: string | null): Promise<Conversation> {
    return existing(await this.#conversations.rename(userId, conversationId, title))
  }

  async delete(userId: string, conversationId: string): Promise<void> {
    let isCertain = false
    const isGone = await twice(async (isRepeat) => {
      isCertain = await this.#conversations.delete(userId, conversationId)
      return isCertain || isRepeat
    })
    this.#onDelete(conversationId, isCertain)
    if (!isGone) existing(null)
  }

  /** The newest messages below position `before`, ascending. */
  async history(
    userId: string,
    conversationId: string,
    request: { limit: number; before: number | undefined; superseded: boolean },
  ): Promise<Page<Message, number>> {
    const rows = existing(await this.#messages.page(userId, conversationId, { ...request, limit: request.limit + 1 }))
    const items = rows.slice(-request.limit)
    return { items, next: rows.length > request.limit ? items[0]!.position : null }
  }

  /** At most so many messages, ascending, with the given one in their middle; fewer after it at the conversation's end. */
  async historyAround(
    userId: string,
    conversationId: string,
    { limit, ...request }: { messageId: string; limit: number; superseded: boolean },
  ): Promise<Page<Message, number>> {
    const earlier = Math.floor(limit / 2)
    const around = { ...request, earlier, later: limit - earlier }
    const items = await this.#messages.pageAround(userId, conversationId, around)
    if (items === null) throw new ChatError("not_found", "There is no such message in this conversation.")
    const first = items[0]?.position ?? 0
    return { items, next: first > 0 ? first : null }
  }
}

function existing<T>(found: T | null): T {
  if (found === null) throw new ChatError("not_found", "There is no such conversation.")
  return found
}
