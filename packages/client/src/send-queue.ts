import type { ServerFrame } from "@grizz/protocol"
import type { RequestErrorCode } from "@grizz/protocol/constants"
import type { Connection } from "./connection.ts"
import type { ConversationRoom } from "./conversation-room.ts"
import type { ConversationState, LocalEvent, PendingMessage } from "./conversation-state.ts"
import { isPassing } from "./reduce.ts"
import { backoffMs } from "./timing.ts"

export interface SendQueueHost {
  state: () => ConversationState
  apply: (event: ServerFrame | LocalEvent) => void
  /** Null until it is known. */
  id: () => string | null
  /** Where messages for today go whose conversation was not known yet. */
  isToday: boolean
}

/** Sends what the state says is to be sent: messages one by one in their order, stops and retries beside them. */
export class SendQueue {
  readonly #room: ConversationRoom
  readonly #connection: Connection
  readonly #host: SendQueueHost
  /** The message whose answer is awaited: the next one follows it, so that a refusal for now changes no order. */
  #inFlight: string | null = null
  /** Replies whose stop or retry went out on the present line. */
  readonly #asked = new Set<string>()
  #refusals = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(room: ConversationRoom, connection: Connection, host: SendQueueHost) {
    this.#room = room
    this.#connection = connection
    this.#host = host
  }

  /** A new line: what was not answered on the former one goes out again. */
  opened(): void {
    this.#inFlight = null
    this.#asked.clear()
    this.flush()
    void this.restore()
  }

  /** A stop or retry, also of a reply that it was asked for before. */
  ask(replyId: string): void {
    this.#asked.delete(replyId)
    this.flush()
  }

  flush(): void {
    const { pending, stopping, retry } = this.#host.state()
    const next = pending.find(({ status }) => status === "sending")
    if (this.#inFlight === null && next !== undefined) this.#send(next)
    for (const reply_id of stopping) this.#askFor({ type: "reply.stop", reply_id })
    if (retry?.error === null) this.#askFor({ type: "reply.retry", reply_id: retry.replyId })
  }

  heard(frame: ServerFrame): void {
    if (frame.type === "message.added") this.answered(frame.message.id)
    else if (frame.type === "message.accepted") this.answered(frame.message_id)
    else if (frame.type === "error") this.#refused(frame)
  }

  answered(messageId: string): void {
    if (this.#inFlight !== messageId) return
    this.#inFlight = null
    this.#refusals = 0
    this.flush()
  }

  refuseInFlight(code: RequestErrorCode, message: string): void {
    const ref = this.#inFlight
    this.#inFlight = null
    if (ref !== null) this.#host.apply({ type: "error", code, message, ref })
  }

  /** Keeps what is to outlive a reload, and no more. */
  changed(before: readonly PendingMessage[], now: readonly PendingMessage[]): void {
    for (const { id } of before) if (!now.some((one) => one.id === id)) this.#room.outbox.forget(id)
    const conversationId = this.#host.id()
    for (const message of now) if (!before.includes(message)) this.#room.outbox.keep({ ...message, conversationId })
  }

  /** It is known now which conversation the messages are for, and so it is kept. */
  identified(): void {
    this.changed([], this.#host.state().pending)
  }

  /** Takes up what waits for this conversation: from before a reload, or from a tab that was closed. */
  async restore(): Promise<void> {
    const { id, isToday } = this.#host
    for (const { conversationId, ...message } of await this.#room.outbox.read()) {
      const isHere = conversationId === null ? isToday : conversationId === id()
      if (!isHere) continue
      const { messages } = this.#host.state()
      if (messages.some((one) => one.id === message.id)) this.#room.outbox.forget(message.id)
      else this.#host.apply({ type: "send.requested", message })
    }
    this.flush()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #send({ id, content, metadata }: PendingMessage): void {
    if (!this.#connection.send({ type: "message.send", id, content, metadata: metadata ?? undefined })) return
    this.#inFlight = id
    this.#again(this.#room.timing.acknowledgeMs)
  }

  #askFor(frame: { type: "reply.stop" | "reply.retry"; reply_id: string }): void {
    if (!this.#asked.has(frame.reply_id) && this.#connection.send(frame)) this.#asked.add(frame.reply_id)
  }

  #refused({ code, ref }: Extract<ServerFrame, { type: "error" }>): void {
    if (!isPassing(code)) {
      if (ref !== null) this.answered(ref)
      return
    }
    if (code === "unauthenticated") void this.#connection.renewToken()
    if (ref !== null) this.#asked.delete(ref)
    this.#again(backoffMs(this.#refusals++, this.#room.timing, this.#room.random))
  }

  /** Sends once more what has no answer by then. */
  #again(waitMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#inFlight = null
      this.flush()
    }, waitMs)
  }
}
