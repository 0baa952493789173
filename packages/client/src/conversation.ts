import type { ServerFrame } from "@grizz/protocol"
import { Connection } from "./connection.ts"
import type { ConversationRoom } from "./conversation-room.ts"
import {
  type ConnectionState,
  type ConversationEvent,
  type ConversationState,
  initialState,
  type LocalEvent,
  type PendingMessage,
} from "./conversation-state.ts"
import { DayWatch } from "./day-watch.ts"
import { EarlierPages } from "./earlier-pages.ts"
import { EventFeed } from "./event-feed.ts"
import { GrizzError } from "./grizz-error.ts"
import type { RequestOptions } from "./http.ts"
import { contentMaxLength } from "./protocol-limits.ts"
import { reduce } from "./reduce.ts"
import { SendQueue } from "./send-queue.ts"
import { closedError, untilState } from "./until-state.ts"
import { randomUuid } from "./uuid.ts"

/** A conversation by its id, or today's in a zone that is asked for whenever it matters. */
export type ConversationAddress = { id: string } | { timezone: () => string }

/** What may go with a message. */
export interface SendOptions {
  /** Free JSON of the app's own, stored beside the message; at most 16 KiB. */
  metadata?: Record<string, unknown>
}

/** One conversation as this client sees it: a state to render, kept up to date from its first use to `close`. */
export class Conversation {
  readonly #room: ConversationRoom
  readonly #address: ConversationAddress
  readonly #connection: Connection
  readonly #queue: SendQueue
  readonly #dayWatch: DayWatch | null
  readonly #feed = new EventFeed<ConversationEvent>()
  readonly #listeners = new Set<() => void>()
  #state = initialState
  #id: string | null
  #isUsed = false
  /** Set while the connection lives, or comes back. */
  #leave: (() => void) | null = null
  readonly #earlier: EarlierPages

  constructor(room: ConversationRoom, address: ConversationAddress) {
    this.#room = room
    this.#address = address
    this.#id = "id" in address ? address.id : null
    this.#dayWatch = "id" in address ? null : this.#watchDay(address.timezone)
    this.#connection = new Connection({
      room,
      resolve: (signal) => this.#resolve(signal),
      cursor: () => this.#state.cursor,
      listener: {
        frame: (frame) => this.#receive(frame),
        stored: ({ message, replyId }) => {
          this.#apply({ type: "send.stored", message, replyId })
          this.#queue.answered(message.id)
        },
        state: (connection) => this.#connectionChanged(connection),
        tooBig: () => this.#queue.refuseInFlight("too_large", "The message is too big."),
      },
    })
    this.#queue = new SendQueue(room, this.#connection, {
      state: () => this.#state,
      apply: (event) => this.#apply(event),
      id: () => this.#id,
      isToday: this.#dayWatch !== null,
    })
    this.#earlier = new EarlierPages({
      state: this.getSnapshot,
      page: (query, signal) =>
        room.http.call("GET /conversations/{id}/messages", { id: this.#id ?? "", query, signal }),
      apply: (event) => this.#apply(event),
    })
  }

  /** Null until it is known which conversation is today's. */
  get id(): string | null {
    return this.#id
  }

  /** The present state; the same object until something changes. */
  get state(): ConversationState {
    return this.#state
  }

  /** The same, for `useSyncExternalStore`. */
  readonly getSnapshot = (): ConversationState => this.#state

  /** Calls `listener` after every change, until the function it gives back is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    this.#begin()
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /**
   * What happens from now on, in order, nothing twice: after a lost connection it goes on where it was. Ends when the
   * signal is aborted or the conversation is closed. @throws GrizzError when the connection is given up
   */
  events(signal?: AbortSignal): AsyncGenerator<ConversationEvent, void> {
    this.#begin()
    const events = this.#feed.read(signal)
    if (this.#leave === null) this.#feed.end(null)
    return events
  }

  /** The first state that fits. @throws GrizzError when the connection is given up; the signal's reason */
  until(fits: (state: ConversationState) => boolean, signal?: AbortSignal): Promise<ConversationState> {
    return untilState(this, fits, signal)
  }

  /**
   * Shows the message as pending at once, and sends it, with the same id on every try, until it is acknowledged or
   * refused, also after a reload.
   * @throws GrizzError `invalid_request` for a blank text or one over 32,000 UTF-16 units
   */
  send(text: string, { metadata }: SendOptions = {}): PendingMessage {
    if (text.trim() === "") throw new GrizzError("invalid_request", "A message must not be blank.")
    if (text.length > contentMaxLength) {
      throw new GrizzError("invalid_request", `A message must not be longer than ${contentMaxLength} units.`)
    }
    const message: PendingMessage = {
      id: randomUuid(),
      content: text,
      metadata: metadata ?? null,
      // In order also where two are sent within one tick of the clock.
      sentAt: Math.max(this.#room.now(), (this.#state.pending.at(-1)?.sentAt ?? 0) + 1),
      status: "sending",
      error: null,
    }
    this.#begin()
    this.#apply({ type: "send.requested", message })
    this.#queue.flush()
    return message
  }

  /** Sends a refused message once more. */
  resend(id: string): void {
    this.#apply({ type: "send.retried", id })
    this.#queue.flush()
  }

  /** Forgets a refused message. */
  discard(id: string): void {
    const pending = this.#state.pending.find((one) => one.id === id)
    if (pending?.status === "failed") this.#apply({ type: "send.discarded", id })
  }

  /** Stops the reply that is being written, or else the next one that waits; asked again after a reconnect. */
  stop(): void {
    const replyId = this.#state.reply?.id ?? this.#state.queued[0]?.reply_id
    if (replyId === undefined) return
    this.#apply({ type: "stop.requested", replyId })
    this.#queue.ask(replyId)
  }

  /**
   * Asks for a new reply in the place of the newest one, which has ended; `state.retry` says how that stands. Asked
   * again after a reconnect.
   */
  retry(): void {
    const replyId = this.#state.messages.filter(({ role }) => role === "assistant").at(-1)?.id
    if (replyId === undefined) return
    this.#begin()
    this.#apply({ type: "retry.requested", replyId })
    this.#queue.ask(replyId)
  }

  /** Puts the page of messages before the first one, 50 where no `limit` (to 200) says so, into the state. @throws GrizzError */
  loadEarlier({ signal, limit }: RequestOptions & { limit?: number } = {}): Promise<void> {
    return this.#earlier.load(signal, limit)
  }

  /** Connects at once, also after the connection was given up or closed. The first use of a conversation does it too. */
  connect(): void {
    this.#isUsed = true
    this.#leave ??= this.#enter()
    this.#connection.start()
    this.#wake()
  }

  /** Ends the connection; what the engine is writing goes on there. */
  close(): void {
    this.#isUsed = true
    this.#connection.close()
  }

  #begin(): void {
    if (!this.#isUsed) this.connect()
  }

  #enter(): () => void {
    const stopWaking = this.#room.wakeSignals.listen({ wake: () => this.#wake() })
    const leave = this.#room.enter({ id: () => this.#id, restore: () => void this.#queue.restore() })
    return () => {
      stopWaking()
      leave()
      this.#dayWatch?.pause()
      this.#queue.stop()
    }
  }

  #wake(): void {
    this.#dayWatch?.look()
    void this.#queue.restore()
  }

  #watchDay(timezone: () => string): DayWatch {
    const { now, http, timing } = this.#room
    return new DayWatch({
      timezone,
      now,
      today: () => http.call("GET /conversations/today", { query: { tz: timezone() } }),
      recheckMs: timing.dayRecheckMs,
      onOver: () => this.#apply({ type: "day.over" }),
    })
  }

  /** Once: today stays the same day over reconnects past midnight. */
  async #resolve(signal: AbortSignal): Promise<string> {
    if ("id" in this.#address) return this.#address.id
    if (this.#id !== null) return this.#id
    const day = this.#dayWatch?.day() ?? ""
    const query = { tz: this.#address.timezone() }
    const today = await this.#room.http.call("GET /conversations/today", { query, signal })
    if (!signal.aborted) {
      this.#id = today.id
      this.#dayWatch?.start(today, day)
      this.#queue.identified()
    }
    return today.id
  }

  #connectionChanged(connection: ConnectionState): void {
    this.#apply({ type: "connection.changed", connection })
    if (connection.status === "open") {
      this.#queue.opened()
      this.#room.deliverElsewhere()
    } else if (connection.status === "closed") {
      this.#leave?.()
      this.#leave = null
      this.#feed.end(connection.error === null ? null : closedError(connection))
    }
  }

  #receive(frame: ServerFrame): void {
    this.#earlier.heard(frame)
    this.#apply(frame)
    this.#queue.heard(frame)
  }

  #apply(event: ServerFrame | LocalEvent): void {
    const before = this.#state
    const next = reduce(before, event)
    if (next === before) return
    this.#state = next
    if (next.pending !== before.pending) this.#queue.changed(before.pending, next.pending)
    if ("cursor" in event || event.type === "day.over") this.#feed.push(event)
    for (const listener of this.#listeners) listener()
  }
}
