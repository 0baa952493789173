import type { Message, ReplyEnd, RunningReply } from "../../src/domain.ts"
import { LiveReplyLog } from "../../src/live/live-reply-log.ts"
import type { EventSink, Following, ReplyLog, ReplyWriter, StoredReader } from "../../src/live-ports.ts"
import type { Ledger } from "./ledger.ts"
import type { ProcessLife } from "./process-life.ts"

/** A process's log; whatever is said through it must be committed, and said by whoever may. */
export class AuditedLog implements ReplyLog {
  readonly #log: LiveReplyLog
  readonly #life: ProcessLife
  readonly #ledger: Ledger
  /** The attempt that was begun last here: the next model call is for it. */
  begun: RunningReply | null = null

  constructor(life: ProcessLife, ledger: Ledger) {
    this.#log = new LiveReplyLog({ connect: null, onRestless: () => {}, now: () => life.nowMs })
    this.#life = life
    this.#ledger = ledger
  }

  get size(): number {
    return this.#log.size
  }

  announce(message: Message, replyId: string, foundIdle: boolean): void {
    const { store, world } = this.#ledger
    const stored = store.conversation(message.conversationId)?.messages.find(({ id }) => id === message.id)
    const isStored = stored?.position === message.position || this.#ledger.erased.has(message.id)
    world.check(isStored, () => `message ${message.id} was announced before its commit`)
    world.check(store.reply(replyId)?.messageId === message.id, () => `message ${message.id} has another reply`)
    this.#log.announce(message, replyId, foundIdle)
  }

  start(reply: RunningReply): ReplyWriter {
    const ledger = this.#ledger
    ledger.world.check(ledger.isGranted(reply), () => `${reply.id}: began attempt ${reply.attempt} without a lease`)
    this.begun = reply
    const writer = this.#log.start(reply)
    return {
      get text() {
        return writer.text
      },
      append: (text) => {
        this.#checkAppend(reply)
        writer.append(text)
      },
      end: (end) => {
        this.#checkEnd(end)
        writer.end(end)
      },
      abandon: () => writer.abandon(),
    }
  }

  follow(conversationId: string, sink: EventSink, stored: StoredReader): Following {
    const read: StoredReader = (after) => {
      this.#ledger.seen.add("what nobody told was read")
      return stored(after)
    }
    return this.#log.follow(conversationId, sink, read)
  }

  /** Looks after what was not told. */
  tick(): void {
    this.#log.tick()
  }

  remove(conversationId: string, messageId: string, count: number): void {
    this.#log.remove(conversationId, messageId, count)
  }

  drop(conversationId: string): void {
    this.#log.drop(conversationId)
  }

  look(conversationId: string): void {
    this.#log.look(conversationId)
  }

  #checkAppend(reply: RunningReply): void {
    const { owner, isClockSound } = this.#life
    const ledger = this.#ledger
    if (isClockSound)
      ledger.world.check(ledger.isHeldBy(reply, owner), () => `${reply.id}: ${owner} wrote past its lease`)
  }

  #checkEnd(end: ReplyEnd): void {
    const { store, world } = this.#ledger
    const { id, conversationId, content, status } = end.message
    const stored = store.conversation(conversationId)?.messages.find((message) => message.id === id)
    const isStored = (stored?.content === content && stored.status === status) || this.#ledger.erased.has(id)
    world.check(isStored, () => `${id}: an end was announced that is not saved`)
    world.check(store.reply(id)?.attempt === end.attempt, () => `${id}: an end of another attempt`)
  }
}
