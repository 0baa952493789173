import type {
  ConversationPage,
  ConversationResource,
  MemoryPage,
  MemoryResource,
  MemorySettings,
  MessagePage,
  MessageResource,
  SearchPage,
  Turn,
} from "@grizz/protocol"

/** What a user says. */
export interface NewMessage {
  /** A UUID that names the message for good: the same on every try. */
  id: string
  content: string
  metadata?: Record<string, unknown> | undefined
}

interface PageQuery {
  /** 1–200; 50 when left out. */
  limit?: number | undefined
}

/** Which page of what was found. */
export interface SearchQuery {
  /** 1–50; 20 when left out. */
  limit?: number | undefined
  /** The former page's `next_cursor`. */
  cursor?: string | null | undefined
}

/** The engine's calls over HTTP: what each takes in its path, query and body, and what it answers. */
export interface RestCalls {
  /** Made on first use. `tz` is an IANA zone; UTC when left out. */
  "GET /conversations/today": { query?: { tz?: string | undefined }; answer: ConversationResource }
  /**
   * Newest first, by when something last happened in them; `cursor` takes the former page's `next_cursor`, and `empty:
   * false` leaves out those in which nothing was said.
   */
  "GET /conversations": {
    query?: PageQuery & { cursor?: string | null | undefined; empty?: boolean }
    answer: ConversationPage
  }
  /** A conversation outside the calendar. */
  "POST /conversations": { body?: { title?: string | null }; answer: ConversationResource }
  "GET /conversations/{id}": { id: string; answer: ConversationResource }
  /** Null takes the title away. */
  "PATCH /conversations/{id}": { id: string; body: { title: string | null }; answer: ConversationResource }
  "DELETE /conversations/{id}": { id: string; answer: void }
  /**
   * The newest page, or the one before, by the former page's `next_cursor`, or the one with a message in its middle, by its
   * id; in reading order.
   */
  "GET /conversations/{id}/messages": {
    id: string
    query?: PageQuery & { before?: string | null | undefined; around?: string; superseded?: boolean }
    answer: MessagePage
  }
  /** Says something and waits for the end of the reply, whatever it is. The same call again joins the same reply. */
  "POST /conversations/{id}/messages": { id: string; body: NewMessage; answer: Turn }
  /** Erases the text everywhere. */
  "DELETE /conversations/{id}/messages/{message_id}": { id: string; message_id: string; answer: void }
  "POST /replies/{id}/stop": { id: string; answer: void }
  /** `conflict` unless this is the newest reply and has ended. */
  "POST /replies/{id}/retry": { id: string; answer: { reply_id: string; message_id: string } }
  /** The user's messages that have every word of `q`, newest first; `limit` is 1–50, 20 when left out. */
  "GET /search": { query: { q: string } & SearchQuery; answer: SearchPage }
  /** What is remembered of the user, newest first; `q` is text that it holds, `superseded` brings what was corrected, too. */
  "GET /memories": {
    query?: PageQuery & { cursor?: string | null | undefined; q?: string | undefined; superseded?: boolean }
    answer: MemoryPage
  }
  /** Remembers a note, pinned unless said otherwise. */
  "POST /memories": { body: { text: string; pinned?: boolean }; answer: MemoryResource }
  /** Another text makes another memory, which supersedes this one and is the answer. */
  "PATCH /memories/{id}": { id: string; body: { text?: string; pinned?: boolean }; answer: MemoryResource }
  /** Forgets it, and what it superseded. */
  "DELETE /memories/{id}": { id: string; answer: void }
  "GET /memories/settings": { answer: MemorySettings }
  /** While paused nothing is derived, and nothing that is remembered is used. */
  "PATCH /memories/settings": { body: MemorySettings; answer: MemorySettings }
  /** Signs in one connection of this user, within 30 s, where a URL is all that can be set. */
  "POST /ws/tickets": { answer: { ticket: string; expires_at: string } }
}

/** What a call answers. */
export type RestAnswer<Name extends keyof RestCalls> = RestCalls[Name]["answer"]

/** What is said, as it is stored. */
export interface StoredMessage {
  message: MessageResource
  replyId: string
}
