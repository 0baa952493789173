import type { SearchPage } from "@grizz/protocol"
import { Conversation } from "./conversation.ts"
import type { ConversationRoom, OpenConversation } from "./conversation-room.ts"
import { Credentials, type TokenProvider } from "./credentials.ts"
import type { Delivery } from "./delivery.ts"
import { type CallArguments, type Fetch, HttpEngine, type RequestOptions } from "./http.ts"
import { deviceTimezone } from "./local-day.ts"
import { Outbox } from "./outbox.ts"
import type { RestAnswer, RestCalls, SearchQuery } from "./rest-calls.ts"
import { engineAt } from "./sign-in.ts"
import type { WebSocketConstructor } from "./socket-link.ts"
import { defaultStorage, type MessageStorage } from "./storage.ts"
import { defaultTiming, type Timing } from "./timing.ts"
import { TransportChoice } from "./transport-choice.ts"
import { WakeSignals } from "./wake-signals.ts"

/** Where the engine is and who its user is; all else may be left out. */
export interface GrizzClientOptions {
  /** Where the engine is, such as `https://chat.example.com`; a path before its routes is kept. */
  url: string
  token: TokenProvider
  /** Where messages wait until the engine has them; `localStorage` in a browser, memory elsewhere, when left out. */
  storage?: MessageStorage
  /** Told when that storage fails: messages then wait in memory. */
  onStorageError?: (error: unknown) => void
  /** The platform's own when left out; null, or none: server-sent events and POST. `ws` fits. */
  webSocket?: WebSocketConstructor | null
  /** The platform's own when left out. */
  fetch?: Fetch
  timing?: Partial<Timing>
  /** Source of jitter, from 0 to below 1; `Math.random` when left out. */
  random?: () => number
  /** Milliseconds since the Unix epoch; the device's clock when left out. */
  now?: () => number
}

/** The engine as one user of it sees it. */
export class GrizzClient {
  readonly #room: ConversationRoom
  readonly #open = new Set<OpenConversation>()
  readonly #wakeSignals = new WakeSignals()
  #delivery: Delivery | null = null

  constructor(options: GrizzClientOptions) {
    const engine = engineAt(options.url, options.fetch)
    const credentials = new Credentials(options.token, () => this.#identified())
    const storage = options.storage ?? defaultStorage()
    const onStorageError = options.onStorageError ?? (() => {})
    const outbox = new Outbox(storage, () => credentials.userId, onStorageError)
    const webSocket = options.webSocket === undefined ? (globalThis.WebSocket ?? null) : options.webSocket
    const timing = { ...defaultTiming, ...options.timing }
    const random = options.random ?? Math.random
    this.#room = {
      socketUrl: engine.url.replace(/^http/, "ws"),
      http: new HttpEngine(engine, credentials),
      credentials,
      webSocket,
      transports: new TransportChoice(webSocket !== null),
      wakeSignals: this.#wakeSignals,
      timing,
      random,
      outbox,
      now: options.now ?? Date.now,
      enter: (conversation) => {
        this.#open.add(conversation)
        return () => {
          this.#open.delete(conversation)
          if (this.#open.size === 0) this.#delivery?.stop()
        }
      },
      deliverElsewhere: () => void this.#deliverElsewhere().catch(onStorageError),
    }
  }

  /**
   * Today's conversation in an IANA time zone, the device's own when left out. It stays the conversation of its day:
   * `state.dayOver` says when another one is today's.
   */
  today(timezone?: string): Conversation {
    return new Conversation(this.#room, { timezone: () => timezone ?? deviceTimezone() })
  }

  /** A conversation by its id; one that is not there, or not the user's, is closed with `not_found`. */
  conversation(id: string): Conversation {
    return new Conversation(this.#room, { id })
  }

  /**
   * A page of the user's messages that have every word of `q`, in any form of it, newest first, with where the words are:
   * `highlights` are in UTF-16 units, as of `slice`. What was said a moment ago may be missing. @throws as `call`
   */
  search(q: string, { signal, ...page }: SearchQuery & RequestOptions = {}): Promise<SearchPage> {
    return this.call("GET /search", { query: { q, ...page }, signal })
  }

  /** One call over HTTP, as it is. @throws GrizzError; the reason of the signal when that is aborted */
  call<Name extends keyof RestCalls>(name: Name, ...options: CallArguments<Name>): Promise<RestAnswer<Name>> {
    return this.#room.http.call(name, ...options)
  }

  /** To be called when the app is looked at again, where the platform is no browser: looks after every connection. */
  wake(): void {
    this.#wakeSignals.wake()
  }

  /** Rarely is there anything, and then the code for it is loaded. */
  async #deliverElsewhere(): Promise<void> {
    const isOpen = (id: string) => [...this.#open].some((one) => one.id() === id)
    const kept = await this.#room.outbox.read()
    const isAny = kept.some(({ conversationId }) => conversationId !== null && !isOpen(conversationId))
    if (!isAny || this.#open.size === 0) return
    const { Delivery } = await import("./delivery.ts")
    this.#delivery ??= new Delivery({ ...this.#room, isOpen, isInUse: () => this.#open.size > 0 })
    await this.#delivery.run()
  }

  #identified(): void {
    this.#room.outbox.identified()
    for (const conversation of this.#open) conversation.restore()
  }
}
