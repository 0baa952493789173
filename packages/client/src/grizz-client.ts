import type { ConversationPage, ConversationResource, MessagePage } from "@grizz/protocol"
import type { WebSocketConstructor } from "./connection.ts"
import { HttpEngine, type RequestOptions } from "./http.ts"
import { LiveConversation } from "./live-conversation.ts"
import { defaultTiming, type Timing } from "./timing.ts"
import type { TokenProvider } from "./token-provider.ts"

export interface GrizzClientOptions {
  /** Where the engine is, such as `https://chat.example.com`; a path before its routes is kept. */
  url: string
  token: TokenProvider
  /** Where the platform has none of its own (Node before 22): `ws` fits. */
  webSocket?: WebSocketConstructor
  timing?: Partial<Timing>
  /** Source of jitter, from 0 to below 1; `Math.random` when left out. */
  random?: () => number
}

export interface PageQuery extends RequestOptions {
  /** 1–200; 50 when left out. */
  limit?: number
}

export interface OpenOptions {
  /** IANA zone of `today`; the device's own when left out. */
  timezone?: string | undefined
}

/** The engine as one user of it sees it. Every call throws GrizzError. */
export class GrizzClient {
  readonly #options: GrizzClientOptions
  readonly #url: string
  readonly #http: HttpEngine

  constructor(options: GrizzClientOptions) {
    this.#options = options
    this.#url = options.url.replace(/\/+$/, "")
    this.#http = new HttpEngine(this.#url, options.token)
  }

  /** Today's conversation in an IANA time zone (the device's own when left out), made on first use. */
  today(timezone: string = deviceTimezone(), { signal }: RequestOptions = {}): Promise<ConversationResource> {
    return this.#http.call("/conversations/today", { query: { tz: timezone }, signal })
  }

  /** Newest first, by when something last happened in them. */
  conversations({ cursor, limit, signal }: PageQuery & { cursor?: string } = {}): Promise<ConversationPage> {
    return this.#http.call("/conversations", { query: { cursor, limit }, signal })
  }

  conversation(id: string, { signal }: RequestOptions = {}): Promise<ConversationResource> {
    return this.#http.call(pathOf(id), { signal })
  }

  /** Newest page first, each page in reading order; `before` takes the former page's `next_cursor`. */
  messages(id: string, query: PageQuery & { before?: string | undefined } = {}): Promise<MessagePage> {
    const { before, limit, signal } = query
    return this.#http.call(`${pathOf(id)}/messages`, { query: { before, limit }, signal })
  }

  /** A conversation outside the calendar. */
  create(title: string | null = null, { signal }: RequestOptions = {}): Promise<ConversationResource> {
    return this.#http.call("/conversations", { method: "POST", body: { title }, signal })
  }

  /** Null takes the title away. */
  rename(id: string, title: string | null, { signal }: RequestOptions = {}): Promise<ConversationResource> {
    return this.#http.call(pathOf(id), { method: "PATCH", body: { title }, signal })
  }

  async delete(id: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#http.call<unknown>(pathOf(id), { method: "DELETE", signal })
  }

  /**
   * A conversation that stays up to date until it is closed. `today` is found out once, so that it stays the same day
   * over reconnects past midnight.
   */
  openConversation(idOrToday: string, options: OpenOptions = {}): LiveConversation {
    const conversation = this.prepareConversation(idOrToday, options)
    conversation.connect()
    return conversation
  }

  /** The same, not connected before its `connect` is called. */
  prepareConversation(idOrToday: string, { timezone }: OpenOptions = {}): LiveConversation {
    const { token, webSocket, timing, random } = this.#options
    return new LiveConversation({
      resolve: async () => (idOrToday === "today" ? (await this.today(timezone)).id : idOrToday),
      socketAddress: (id) => new URL(`${this.#url.replace(/^http/, "ws")}/ws/chat/${encodeURIComponent(id)}`),
      page: (id, query) => this.messages(id, query),
      token,
      webSocket: webSocket ?? WebSocket,
      timing: { ...defaultTiming, ...timing },
      random: random ?? Math.random,
    })
  }
}

/** IANA name of the zone this device is set to. */
export function deviceTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

function pathOf(id: string): string {
  return `/conversations/${encodeURIComponent(id)}`
}
