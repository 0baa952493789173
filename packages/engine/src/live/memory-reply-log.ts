import type { ReplyEnd, RunningReply } from "../domain.ts"
import type { EventSink, Following, LogEntry, ReplyLog, ReplyWriter } from "../ports.ts"
import { Feed } from "./feed.ts"

/** Live replies in this process: the whole truth on one node. */
export class MemoryReplyLog implements ReplyLog {
  readonly #feeds = new Map<string, Feed>()

  /** Conversations that hold memory now. */
  get size(): number {
    return this.#feeds.size
  }

  announce(message: Extract<LogEntry, { kind: "message" }>["message"], replyId: string): void {
    this.#feed(message.conversationId).publish({ kind: "message", message, replyId })
    this.#forgetIfIdle(message.conversationId)
  }

  start(reply: RunningReply): ReplyWriter {
    const feed = this.#feed(reply.conversationId)
    const earlier = feed.findReply(reply.id)
    if (earlier !== null) feed.remove(earlier)
    const entry: Extract<LogEntry, { kind: "reply" }> = { kind: "reply", reply, text: "", end: null }
    feed.publish(entry)
    const finish = (change: () => void) => {
      change()
      this.#forgetIfIdle(reply.conversationId)
    }
    return {
      get text() {
        return entry.text
      },
      append: (text) => feed.append(entry, text),
      end: (end: ReplyEnd) =>
        finish(() => {
          entry.end = end
          feed.publish(entry)
        }),
      abandon: () => finish(() => feed.remove(entry)),
    }
  }

  follow(conversationId: string, sink: EventSink): Following {
    return this.#feed(conversationId).add(sink, () => this.#forgetIfIdle(conversationId))
  }

  remove(conversationId: string, messageId: string, count: number): void {
    this.#feeds.get(conversationId)?.removeMessage({ type: "message.removed", messageId, count })
  }

  drop(conversationId: string): void {
    this.#feeds.get(conversationId)?.close("deleted")
    this.#feeds.delete(conversationId)
  }

  async close(): Promise<void> {}

  #feed(conversationId: string): Feed {
    let feed = this.#feeds.get(conversationId)
    if (feed === undefined) {
      feed = new Feed()
      this.#feeds.set(conversationId, feed)
    }
    return feed
  }

  #forgetIfIdle(conversationId: string): void {
    if (this.#feeds.get(conversationId)?.isIdle === true) this.#feeds.delete(conversationId)
  }
}
