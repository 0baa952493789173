import type { DerivationStore, EmbeddingStore, MemoryStore, MessageIndex } from "../memory-ports.ts"
import type { ConversationStore, MessageStore, ReplyStore, SearchStore, TicketStore, TurnStore } from "../ports.ts"
import type { Database } from "./database.ts"
import { PostgresConversationStore } from "./postgres-conversation-store.ts"
import { PostgresDerivationStore } from "./postgres-derivation-store.ts"
import { PostgresEmbeddingStore } from "./postgres-embedding-store.ts"
import { PostgresMemoryStore } from "./postgres-memory-store.ts"
import { PostgresMessageIndex } from "./postgres-message-index.ts"
import { PostgresMessageStore } from "./postgres-message-store.ts"
import { PostgresReplyStore, type ReplyStoreOptions } from "./postgres-reply-store.ts"
import { PostgresSearchStore } from "./postgres-search-store.ts"
import { PostgresTicketStore } from "./postgres-ticket-store.ts"
import { PostgresTurnStore } from "./postgres-turn-store.ts"

export interface Stores {
  conversations: ConversationStore
  messages: MessageStore
  memories: MemoryStore
  derivations: DerivationStore
  messageIndex: MessageIndex
  embeddings: EmbeddingStore
  replies: ReplyStore
  search: SearchStore
  tickets: TicketStore
  turns: TurnStore
}

/** The stores over either database. `newId` makes the ids of new conversations. */
export function createStores(database: Database, newId: () => string, options?: ReplyStoreOptions): Stores {
  return {
    conversations: new PostgresConversationStore(database, newId),
    messages: new PostgresMessageStore(database),
    memories: new PostgresMemoryStore(database),
    derivations: new PostgresDerivationStore(database),
    messageIndex: new PostgresMessageIndex(database),
    embeddings: new PostgresEmbeddingStore(database),
    replies: new PostgresReplyStore(database, options),
    search: new PostgresSearchStore(database),
    tickets: new PostgresTicketStore(database),
    turns: new PostgresTurnStore(database),
  }
}
