import type { ConversationEvent, Cursor, EventSink, Following, LogEntry, ReplyLog } from "../../src/live-ports.ts"
import type { Ledger } from "./ledger.ts"

export const beginning: Cursor = { message: -1, reply: -1, attempt: 0, offset: 0, ended: true }

/** Longer than any fallback takes, in ms. */
const patienceMs = 10_000

/** A reader that folds what it is told, as a client does, can be full, and notes whatever must not happen. */
export class Device implements EventSink {
  events: string[] = []
  texts = new Map<string, string>()
  cursor: Cursor = beginning
  room = Number.POSITIVE_INFINITY
  closed: string | null = null
  /** Ended texts that are not the stored ones, and things said twice. */
  violations: string[] = []
  following: Following | null = null
  #wake = Promise.withResolvers<void>()

  write(event: ConversationEvent, cursor: Cursor): boolean {
    this.cursor = { ...cursor }
    this.room -= 1
    this.#fold(event)
    this.#wake.resolve()
    return this.room > 0
  }

  close(reason: string): void {
    this.closed = reason
    this.#wake.resolve()
  }

  /** Follows from its own cursor, as the reader service does: subscribes, then reads what is stored. */
  async connect(log: ReplyLog, ledger: Ledger): Promise<void> {
    this.following?.stop()
    const following = log.follow(ledger.conversationId, this, ledger.read)
    this.following = following
    await following.ready
    if (this.following !== following) return
    following.begin(this.cursor, ledger.after(this.cursor), ledger.erased)
  }

  stop(): void {
    this.following?.stop()
    this.following = null
  }

  async until(isSo: () => boolean): Promise<void> {
    const deadline = setTimeout(() => {
      const state = { events: this.events, texts: [...this.texts], cursor: this.cursor, closed: this.closed }
      this.#wake.reject(new Error(`nothing more came: ${JSON.stringify(state)}`))
    }, patienceMs)
    try {
      while (!isSo()) {
        this.#wake = Promise.withResolvers()
        await this.#wake.promise
      }
    } finally {
      clearTimeout(deadline)
    }
  }

  hears(event: string): Promise<void> {
    return this.until(() => this.events.includes(event))
  }

  reads(replyId: string, text: string): Promise<void> {
    return this.until(() => this.texts.get(replyId) === text)
  }

  #fold(event: ConversationEvent): void {
    if (event.type === "message.added") this.#once(`said ${event.message.id}`)
    if (event.type === "reply.started") this.#once(`started ${event.reply.id}`)
    if (event.type === "reply.restarted") this.texts.set(event.reply.id, "")
    if (event.type === "reply.delta") this.texts.set(event.replyId, this.#text(event.replyId) + event.text)
    if (event.type === "message.removed") this.#once(`removed ${event.messageId}`)
    if (event.type !== "reply.ended") return
    this.#once(`ended ${event.end.replyId}`)
    const { replyId, message } = event.end
    if (this.#text(replyId) !== message.content)
      this.violations.push(`${replyId} ended as "${message.content}", read "${this.#text(replyId)}"`)
  }

  #once(event: string): void {
    if (this.events.includes(event)) this.violations.push(`twice: ${event}`)
    this.events.push(event)
  }

  #text(replyId: string): string {
    return this.texts.get(replyId) ?? ""
  }
}

/** What a device must have heard of these entries. */
export function expectedEvents(entries: readonly LogEntry[]): string[] {
  return entries.map((entry) => {
    if (entry.kind === "message") return `said ${entry.message.id}`
    return `${entry.kind === "end" ? "ended" : "started"} ${entry.reply.id}`
  })
}

/** The same events, in an order in which only the place of a message among the replies before it is free. */
export function isSameOrder(events: readonly string[], expected: readonly string[]): boolean {
  const said = (all: readonly string[]) => all.filter((event) => event.startsWith("said ")).join()
  const replied = (all: readonly string[]) => all.filter((event) => !event.startsWith("said ")).join()
  const isAnswer = (event: string, index: number) => {
    const [what, id = ""] = event.split(" ")
    return what !== "started" || events.indexOf(`said m${Number(id.slice(1)) - 1}`) < index
  }
  return said(events) === said(expected) && replied(events) === replied(expected) && events.every(isAnswer)
}
