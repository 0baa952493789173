import type { ConnectionRoom } from "./connection-room.ts"
import type { Outbox } from "./outbox.ts"

/** A conversation that is in use. */
export interface OpenConversation {
  id(): string | null
  /** Looks for messages that wait to be sent here. */
  restore(): void
}

/** What every conversation of one client shares. */
export interface ConversationRoom extends ConnectionRoom {
  outbox: Outbox
  /** Milliseconds since the Unix epoch. */
  now: () => number
  /** Counts as open until the function it gives back is called. */
  enter(conversation: OpenConversation): () => void
  /** Sends what waits for conversations that are not open. */
  deliverElsewhere(): void
}
