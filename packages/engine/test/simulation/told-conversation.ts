import type { ConversationEvent, Cursor } from "../../src/live-ports.ts"
import type { Beginning } from "../../src/services/conversation-reader.ts"
import type { Ledger } from "./ledger.ts"

interface ToldReply {
  attempt: number
  text: string
  isEnded: boolean
}

/** What one reader put together of a conversation from what it was told. */
export class ToldConversation {
  readonly #ledger: Ledger
  readonly #conversationId: string
  readonly #name: string
  #messages = new Map<string, string>()
  #replies = new Map<string, ToldReply>()
  /** Superseded replies up to here are not in the snapshot that this began with. */
  #begunAtReply = -1
  #order: string[] = []

  constructor(ledger: Ledger, conversationId: string, name: string) {
    this.#ledger = ledger
    this.#conversationId = conversationId
    this.#name = name
  }

  begin({ snapshot, cursor }: Beginning): void {
    if (snapshot === null) {
      this.#ledger.seen.add("a reader resumed")
      return
    }
    const { messages, reply } = snapshot
    this.#order = []
    this.#begunAtReply = cursor.reply
    const said = messages.filter(({ role }) => role === "user")
    const ended = messages.filter(({ role }) => role === "assistant")
    this.#messages = new Map(said.map(({ id, content }) => [id, content]))
    this.#replies = new Map(ended.map(({ id, content }) => [id, { attempt: 0, text: content, isEnded: true }]))
    if (reply !== null) this.#replies.set(reply.id, { attempt: reply.attempt, text: reply.text, isEnded: false })
    this.checkComplete(cursor)
  }

  take(event: ConversationEvent, cursor: Cursor): void {
    switch (event.type) {
      case "message.added":
        this.#check(!this.#messages.has(event.message.id), () => `message ${event.message.id} came twice`)
        this.#messages.set(event.message.id, event.message.content)
        this.#order.push(`said ${event.message.id}`)
        break
      case "reply.started": {
        const { id, attempt } = event.reply
        this.#check(!this.#replies.has(id), () => `${id} started twice`)
        this.#replies.set(id, { attempt, text: "", isEnded: false })
        this.#order.push(`started ${id}`)
        break
      }
      case "reply.restarted": {
        const reply = this.#live(event.reply.id, event.type)
        this.#check(event.reply.attempt > reply.attempt, () => `${event.reply.id} restarted as an earlier attempt`)
        Object.assign(reply, { attempt: event.reply.attempt, text: "" })
        this.#ledger.seen.add("a reader saw a reply restart")
        break
      }
      case "reply.delta":
        this.#live(event.replyId, event.type).text += event.text
        break
      case "reply.ended": {
        const { replyId, message } = event.end
        const reply = this.#live(replyId, event.type)
        const isWhole = reply.text === message.content || this.#ledger.erased.has(replyId)
        this.#check(isWhole, () => `${replyId} reads "${reply.text}", ends "${message.content}"`)
        reply.isEnded = true
        this.#order.push(`ended ${replyId}`)
        break
      }
      case "message.removed":
        this.#check(this.#ledger.erased.has(event.messageId), () => `${event.messageId} was removed, and is stored`)
        this.#messages.delete(event.messageId)
        this.#replies.delete(event.messageId)
    }
    this.checkComplete(cursor)
  }

  /** Nothing that is stored before the cursor may be missing. */
  checkComplete(cursor: Pick<Cursor, "message" | "reply" | "ended">): void {
    const { messages, replies } = this.#ledger.store.conversation(this.#conversationId)!
    for (const { id, role, position, content } of messages) {
      if (role === "user") {
        if (position <= cursor.message)
          this.#check(this.#messages.get(id) === content, () => `message ${id} is missing`)
        continue
      }
      const isPassed = position < cursor.reply || (position === cursor.reply && cursor.ended)
      const isLeftOut =
        replies.some((one) => one.id === id && one.supersededBy !== null) && position <= this.#begunAtReply
      if (!isPassed || isLeftOut) continue
      const reply = this.#replies.get(id)
      this.#check(reply?.isEnded === true && reply.text === content, () => `the end of ${id} is missing`)
    }
  }

  /**
   * Everything came in the order of its commits, for every reader, from wherever it was read; where a commit's outcome
   * stayed unknown, messages among themselves did, and what happened to replies.
   */
  checkOrder(): void {
    const isMessage = (what: string) => what.startsWith("said")
    if (!this.#ledger.uncertain.has(this.#conversationId)) return this.#checkOrderOf(this.#order)
    this.#ledger.seen.add("a commit's outcome stayed unknown")
    this.#checkOrderOf(this.#order.filter(isMessage))
    this.#checkOrderOf(this.#order.filter((what) => !isMessage(what)))
  }

  /** What was erased is not shown any more. */
  checkErased(): void {
    for (const id of [...this.#messages.keys(), ...this.#replies.keys()])
      this.#check(!this.#ledger.erased.has(id), () => `${id} was erased, and is still shown`)
  }

  #checkOrderOf(told: string[]): void {
    const places = new Map(this.#ledger.order.map((what, place) => [what, place]))
    told.forEach((what, index) => {
      const next = told[index + 1]
      const isInOrder = next === undefined || places.get(what)! < places.get(next)!
      this.#check(isInOrder, () => `"${next}" was told after "${what}"`)
    })
  }

  #live(replyId: string, what: string): ToldReply {
    const reply = this.#replies.get(replyId)
    this.#check(reply?.isEnded === false, () => `${what} of ${replyId}, which ${reply ? "has ended" : "never started"}`)
    return reply ?? { attempt: 0, text: "", isEnded: false }
  }

  #check(holds: boolean, what: () => string): void {
    this.#ledger.world.check(holds, () => `${this.#name}: ${what()}`)
  }
}
