import type { MessagePage, ServerFrame } from "@grizz/protocol"
import { limits } from "@grizz/protocol/constants"
import { Connection, type WebSocketConstructor } from "./connection.ts"
import {
  type ConversationEvent,
  type ConversationState,
  initialState,
  isPassing,
  reduce,
} from "./conversation-state.ts"
import { GrizzError } from "./grizz-error.ts"
import { backoffMs, type Timing } from "./timing.ts"
import type { TokenProvider } from "./token-provider.ts"
import { randomUuid } from "./uuid.ts"

export interface LiveConversationOptions {
  /** Id of the conversation, found out once. @throws GrizzError */
  resolve: () => Promise<string>
  socketAddress: (conversationId: string) => URL
  page: (conversationId: string, query: { before?: string | undefined; limit: number }) => Promise<MessagePage>
  token: TokenProvider
  webSocket: WebSocketConstructor
  timing: Timing
  random: () => number
}

/** One conversation as this client sees it: state to render, kept up to date from `connect` to `close`. */
export class LiveConversation {
  readonly #options: LiveConversationOptions
  readonly #connection: Connection
  readonly #listeners = new Set<() => void>()
  /** Ids of the messages and stops that went out on the present socket. */
  readonly #sent = new Set<string>()
  #state = initialState
  #id: string | null = null
  /** Page cursor of the messages before the first one held; null until history was asked for. */
  #before: string | null = null
  #earlier: Promise<void> | null = null
  #passingRefusals = 0
  #resendTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: LiveConversationOptions) {
    this.#options = options
    this.#connection = new Connection({
      address: () => this.#address(),
      cursor: () => this.#state.cursor,
      token: options.token,
      webSocket: options.webSocket,
      timing: options.timing,
      random: options.random,
      onFrame: (frame) => this.#receive(frame),
      onState: (connection) => this.#apply({ type: "connection.changed", connection }),
    })
  }

  /** The present state; the same object until something changes. Fits `useSyncExternalStore`. */
  readonly getSnapshot = (): ConversationState => this.#state

  /** Calls `listener` after every change, until the function it gives back is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /**
   * Shows the message as pending at once and sends it, with the same id on every retry, until it is acknowledged or
   * refused. Gives back that id.
   * @throws GrizzError `invalid_request` for a blank text or one over 32,000 UTF-16 units
   */
  send(text: string): string {
    if (text.trim() === "") throw new GrizzError("invalid_request", "A message must not be blank.")
    if (text.length > limits.contentMaxLength) {
      throw new GrizzError("invalid_request", `A message must not be longer than ${limits.contentMaxLength} units.`)
    }
    const id = randomUuid()
    this.#apply({ type: "send.requested", id, content: text })
    this.#flush()
    return id
  }

  /** Sends a refused message once more. */
  retryFailedSend(id: string): void {
    this.#apply({ type: "send.retried", id })
    this.#sent.delete(id)
    this.#flush()
  }

  /** Forgets a refused message. */
  discardFailedSend(id: string): void {
    const pending = this.#state.pending.find((one) => one.id === id)
    if (pending?.status === "failed") this.#apply({ type: "send.discarded", id })
  }

  /** Stops the reply that is being written, or else the next one that waits; asked again after a reconnect. */
  stop(): void {
    const replyId = this.#state.reply?.id ?? this.#state.queued[0]?.reply_id
    if (replyId === undefined) return
    this.#apply({ type: "stop.requested", replyId })
    this.#sent.delete(replyId)
    this.#flush()
  }

  /** Puts the page of messages before the first one into the state. @throws GrizzError */
  loadEarlier(): Promise<void> {
    this.#earlier ??= this.#loadEarlier().finally(() => {
      this.#earlier = null
    })
    return this.#earlier
  }

  /** Connects at once, also after the connection was given up or closed. */
  connect(): void {
    this.#connection.start()
  }

  /** Ends the connection; what the engine is writing goes on there. */
  close(): void {
    clearTimeout(this.#resendTimer)
    this.#connection.close()
  }

  async #address(): Promise<URL> {
    this.#id ??= await this.#options.resolve()
    return this.#options.socketAddress(this.#id)
  }

  async #loadEarlier(): Promise<void> {
    const snapshot = this.#state.messages[0]
    if (this.#id === null || !this.#state.hasEarlier || snapshot === undefined) return
    const before = this.#before ?? undefined
    // Without a page cursor yet, the newest page is asked for, long enough to reach beyond what is held.
    const held = before === undefined ? this.#state.messages.length : 0
    const limit = Math.min(limits.pageMax, held + limits.pageDefault)
    const page = await this.#options.page(this.#id, { before, limit })
    this.#before = page.next_cursor
    this.#apply({ type: "earlier.loaded", messages: page.data, hasEarlier: page.next_cursor !== null })
  }

  #receive(frame: ServerFrame): void {
    // A snapshot starts the history over, and so its paging.
    if (frame.type === "ready" && frame.messages !== null) this.#before = null
    this.#apply(frame)
    if (frame.type === "ready") {
      this.#sent.clear()
      // The connection reports itself open after this frame: what waits goes out then.
      queueMicrotask(() => this.#flush())
    } else if (frame.type === "error") this.#refused(frame)
    else if (frame.type === "message.added") this.#passingRefusals = 0
  }

  #refused(frame: Extract<ServerFrame, { type: "error" }>): void {
    if (!isPassing(frame.code)) return
    if (frame.ref !== null) this.#sent.delete(frame.ref)
    if (frame.code === "unauthenticated") {
      this.#connection.renewToken()
      return
    }
    const waitMs = backoffMs(this.#passingRefusals++, this.#options.timing, this.#options.random)
    clearTimeout(this.#resendTimer)
    this.#resendTimer = setTimeout(() => this.#flush(), waitMs)
  }

  /** Sends what has not gone out on this socket: messages in order, then the stops that were asked for. */
  #flush(): void {
    for (const { id, content, status } of this.#state.pending) {
      if (status !== "sending" || this.#sent.has(id)) continue
      if (!this.#connection.send({ type: "message.send", id, content })) return
      this.#sent.add(id)
    }
    for (const replyId of this.#state.stopping) {
      if (!this.#sent.has(replyId) && this.#connection.send({ type: "reply.stop", reply_id: replyId })) {
        this.#sent.add(replyId)
      }
    }
  }

  #apply(event: ConversationEvent): void {
    const next = reduce(this.#state, event)
    if (next === this.#state) return
    this.#state = next
    for (const listener of this.#listeners) listener()
  }
}
