import { ChatError } from "../../src/core/errors.ts"
import type { ConversationEvent, Cursor, Following } from "../../src/live-ports.ts"
import type { Beginning } from "../../src/services/conversation-reader.ts"
import { cursorPrefix, encodeCursor } from "../../src/services/cursor.ts"
import type { Ledger } from "./ledger.ts"
import type { SimulatedProcess } from "./simulated-process.ts"
import { ToldConversation } from "./told-conversation.ts"

type Sent = { beginning: Beginning } | { event: ConversationEvent; cursor: Cursor }

/** One connection: what the process wrote to it, and the client has not read. */
interface Connection {
  process: SimulatedProcess
  following: Following | null
  sent: Sent[]
  isFull: boolean
  /** How many events fit in. */
  capacity: number
}

/** A client that reads one conversation, from any node, with the cursor of what it read last. */
export class SimulatedReader {
  readonly conversationId: string
  readonly #userId: string
  readonly #ledger: Ledger
  readonly #told: ToldConversation
  #connection: Connection | null = null
  #cursor: Cursor | null = null
  #erased = 0

  constructor(ledger: Ledger, userId: string, conversationId: string, name: string) {
    this.conversationId = conversationId
    this.#userId = userId
    this.#ledger = ledger
    this.#told = new ToldConversation(ledger, conversationId, name)
  }

  get process(): SimulatedProcess | null {
    return this.#connection?.process ?? null
  }

  get hasUnread(): boolean {
    return this.#connection !== null && this.#connection.sent.length > 0
  }

  connect(process: SimulatedProcess, capacity: number, withCursor: boolean): void {
    const connection: Connection = { process, following: null, sent: [], isFull: false, capacity }
    this.#connection = connection
    const after = withCursor && this.#cursor !== null ? this.#encoded(this.#cursor) : null
    process.life.post(() => void this.#follow(connection, after))
  }

  /** The connection is cut; what was on its way is lost. */
  drop(): void {
    const connection = this.#connection
    this.#connection = null
    if (connection?.following) connection.process.life.post(() => connection.following?.stop())
  }

  /** Reads up to that many events of what was sent. */
  read(most: number): void {
    const connection = this.#connection
    if (connection === null) return
    for (const sent of connection.sent.splice(0, most)) this.#take(sent)
    if (!connection.isFull || connection.sent.length >= connection.capacity) return
    connection.process.life.post(() => {
      if (this.#connection !== connection) return
      connection.isFull = false
      connection.following?.resume()
    })
  }

  settle(): void {
    const whole = { message: Number.MAX_SAFE_INTEGER, reply: Number.MAX_SAFE_INTEGER, ended: true }
    this.#told.checkComplete(whole)
    this.#told.checkOrder()
    this.#told.checkErased()
  }

  async #follow(connection: Connection, after: string | null): Promise<void> {
    const send = (sent: Sent) => {
      if (connection === this.#connection) connection.sent.push(sent)
    }
    const sink = {
      begin: (beginning: Beginning) => send({ beginning: { ...beginning, cursor: { ...beginning.cursor } } }),
      write: (event: ConversationEvent, cursor: Cursor) => {
        send({ event, cursor: { ...cursor } })
        connection.isFull = connection.sent.length >= connection.capacity
        return !connection.isFull
      },
      close: () => this.#lose(connection),
    }
    try {
      connection.following = await connection.process.reader.follow(this.#userId, this.conversationId, after, sink)
      if (connection !== this.#connection) connection.following.stop()
    } catch (error) {
      const isPassing = error instanceof ChatError && error.code === "unavailable"
      this.#ledger.world.check(isPassing, () => `a reader was refused: ${String(error)}`)
      this.#lose(connection)
    }
  }

  #lose(connection: Connection): void {
    if (this.#connection === connection) this.#connection = null
  }

  #take(sent: Sent): void {
    if ("beginning" in sent) {
      this.#cursor = sent.beginning.cursor
      this.#erased = sent.beginning.erased
      return this.#told.begin(sent.beginning)
    }
    this.#cursor = sent.cursor
    if (sent.event.type === "message.removed") this.#erased = sent.event.count
    this.#told.take(sent.event, sent.cursor)
  }

  #encoded(cursor: Cursor): string {
    return encodeCursor(cursorPrefix(this.conversationId, this.#erased), cursor)
  }
}
