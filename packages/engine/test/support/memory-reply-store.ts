import type { Message, ReplyEnd, RunningReply } from "../../src/domain.ts"
import type {
  Accepted,
  ConcurrentSends,
  ContextMessage,
  ConversationView,
  Erased,
  Heartbeat,
  HeldReply,
  NewMessage,
  ReplyJob,
  ReplyOutcome,
  ReplyStore,
  Retried,
  TakenOver,
} from "../../src/ports.ts"
import { conversationView, jobless } from "./memory-conversation-view.ts"
import { type ConversationRow, isUnderWay, type ReplyRow, rfc3339 } from "./memory-reply-rows.ts"

export interface MemoryReplyStoreOptions {
  /** The database's clock, in ms since the Unix epoch. */
  now: () => number
  leaseMs: number
}

/** The reply store's functions, statement by statement as in the migrations; each call is a transaction of its own. */
export class MemoryReplyStore implements ReplyStore {
  readonly #now: () => number
  readonly #leaseMs: number
  readonly #conversations = new Map<string, ConversationRow>()

  constructor({ now, leaseMs }: MemoryReplyStoreOptions) {
    this.#now = now
    this.#leaseMs = leaseMs
  }

  get conversations(): readonly ConversationRow[] {
    return [...this.#conversations.values()]
  }

  get replies(): ReplyRow[] {
    return this.conversations.flatMap(({ replies }) => replies)
  }

  create(userId: string, id: string): void {
    const updatedAtUs = this.#now() * 1000
    const createdAt = rfc3339(updatedAtUs)
    this.#conversations.set(id, { id, userId, createdAt, updatedAtUs, erased: 0, messages: [], replies: [] })
  }

  conversation(id: string): ConversationRow | undefined {
    return this.#conversations.get(id)
  }

  reply(id: string): ReplyRow | undefined {
    return this.replies.find((reply) => reply.id === id)
  }

  async accept(message: NewMessage, owner: string, limit: number, concurrent: ConcurrentSends): Promise<Accepted> {
    const { userId, conversationId, messageId, content, metadata, replyId } = message
    const conversation = this.#owned(userId, conversationId)
    if (conversation === null) return { outcome: "not_found" }
    const known = this.#known(message, owner, limit)
    if (known !== null) return known
    const before = conversation.replies.filter(isUnderWay)
    const mustWait = before.length > 0
    if (mustWait && concurrent === "reject") return { outcome: "in_progress" }
    const position = nextPosition(conversation)
    const createdAt = this.#touch(conversation)
    const saved: Message = {
      id: messageId,
      conversationId,
      position,
      role: "user",
      content,
      metadata,
      status: "sent",
      createdAt,
    }
    conversation.messages.push(saved)
    const interrupted = concurrent === "interrupt" ? before : []
    for (const reply of interrupted) reply.isStopRequested = true
    const reply = newReply({ id: replyId, conversationId, messageId, userId, position: position + 1 })
    conversation.replies.push(reply)
    if (!mustWait) this.#start(reply, owner)
    const job = mustWait ? null : this.#job(reply, limit)
    return { outcome: "accepted", message: { ...saved }, replyId, job, interrupted: interrupted.map(({ id }) => id) }
  }

  async end(reply: RunningReply, outcome: ReplyOutcome, owner: string, limit: number) {
    const conversation = this.#conversations.get(reply.conversationId)
    const mine = conversation?.replies.find(
      ({ id, attempt, status, owner: holder }) =>
        id === reply.id && holder === owner && attempt === reply.attempt && status !== "queued",
    )
    if (conversation === undefined || mine === undefined) return null
    if (mine.status !== "running") {
      const next = conversation.replies.find(({ status, owner: holder }) => status === "running" && holder === owner)
      return { end: this.#endOf(mine), next: next === undefined ? null : this.#job(next, limit) }
    }
    this.#finish(mine, outcome)
    return { end: this.#endOf(mine), next: this.#startNext(conversation, owner, limit) }
  }

  async requestStop(userId: string, replyId: string): Promise<"requested" | "ended" | null> {
    const reply = this.reply(replyId)
    if (reply === undefined || reply.userId !== userId) return null
    if (!isUnderWay(reply)) return "ended"
    reply.isStopRequested = true
    return "requested"
  }

  async heartbeat(owner: string, held: HeldReply[]): Promise<Heartbeat> {
    const heartbeat: Heartbeat = { stopped: [], lost: [] }
    for (const one of held) {
      const reply = this.#held(owner, one)
      if (reply === undefined) {
        heartbeat.lost.push(one.replyId)
        continue
      }
      reply.leaseUntilMs = this.#now() + this.#leaseMs
      reply.text = one.text
      if (reply.isStopRequested) heartbeat.stopped.push(reply.id)
    }
    return heartbeat
  }

  async handOver(owner: string, held: HeldReply[]): Promise<void> {
    const mine = held.flatMap((one) => {
      const reply = this.#held(owner, one)
      return reply === undefined ? [] : [{ reply, text: one.text }]
    })
    // As the table's constraint: one statement, so that nothing is written for the others either.
    if (mine.some(({ reply }) => reply.calls === 0)) throw new Error("calls would be negative")
    for (const { reply, text } of mine) {
      Object.assign(reply, { leaseUntilMs: Number.NEGATIVE_INFINITY, calls: reply.calls - 1, text })
    }
  }

  async lateConversations(): Promise<string[]> {
    const late = this.conversations.filter((conversation) => this.#isLate(conversation))
    return late.slice(0, 100).map(({ id }) => id)
  }

  async takeOver(conversationId: string, owner: string, limit: number, maxCalls: number): Promise<TakenOver | null> {
    const conversation = this.#conversations.get(conversationId)
    if (conversation === undefined) return null
    const mine = conversation.replies.find((reply) => reply.status === "running" && reply.owner === owner)
    if (mine !== undefined && !this.#isLate(conversation)) return { ended: null, next: this.#job(mine, limit) }
    if (!this.#isLate(conversation)) return null
    const late = conversation.replies.find(({ status }) => status === "running")
    if (late !== undefined && !late.isStopRequested && late.calls < maxCalls) {
      late.text = ""
      this.#start(late, owner)
      return { ended: null, next: this.#job(late, limit) }
    }
    const ended = late === undefined ? null : this.#give(late)
    return { ended, next: this.#startNext(conversation, owner, limit) }
  }

  async conversationOf(userId: string, replyId: string): Promise<string | null> {
    const reply = this.reply(replyId)
    return reply?.userId === userId ? reply.conversationId : null
  }

  async retry(
    userId: string,
    replyId: string,
    newReplyId: string,
    owner: string,
    limit: number,
  ): Promise<Retried | "conflict" | "not_found"> {
    const earlier = this.reply(replyId)
    const conversation = earlier && this.#owned(userId, earlier.conversationId)
    if (earlier === undefined || conversation == null) return "not_found"
    const { conversationId, messageId, position } = earlier
    const known = conversation.replies.find((reply) => reply.id === newReplyId && reply.messageId === messageId)
    if (known !== undefined) {
      const isMine = known.status === "running" && known.owner === owner
      return { messageId, job: isMine ? this.#job(known, limit) : null }
    }
    const isNewest = !conversation.replies.some((reply) => reply.position > position || isUnderWay(reply))
    if (!isNewest || !conversation.messages.some(({ id }) => id === messageId)) return "conflict"
    const place = nextPosition(conversation)
    const reply = newReply({ id: newReplyId, conversationId, messageId, userId, position: place })
    conversation.replies.push(reply)
    this.#start(reply, owner)
    earlier.supersededBy = newReplyId
    return { messageId, job: this.#job(reply, limit) }
  }

  async erase(userId: string, conversationId: string, messageId: string): Promise<Erased | null> {
    const conversation = this.#owned(userId, conversationId)
    const left = conversation?.messages.filter(({ id }) => id !== messageId)
    if (conversation === null || left?.length === conversation.messages.length) return null
    conversation.messages = left!
    conversation.erased += 1
    const stopped = conversation.replies.filter((reply) => reply.messageId === messageId && isUnderWay(reply))
    for (const reply of stopped) reply.isStopRequested = true
    return { count: conversation.erased, stopped: stopped.map(({ id }) => id) }
  }

  async view(
    userId: string,
    conversationId: string,
    after: { message: number; reply: number } | null,
  ): Promise<ConversationView | null> {
    const conversation = this.#owned(userId, conversationId)
    return conversation && conversationView(conversation, after)
  }

  #isLate({ replies }: ConversationRow): boolean {
    const underWay = replies.filter(isUnderWay)
    const running = underWay.find(({ status }) => status === "running")
    return underWay.length > 0 && (running === undefined || running.leaseUntilMs! < this.#now())
  }

  #owned(userId: string, conversationId: string): ConversationRow | null {
    const conversation = this.#conversations.get(conversationId)
    return conversation?.userId === userId ? conversation : null
  }

  /** A repeat, or a conflict; null for an id that was never used. */
  #known({ conversationId, messageId, content }: NewMessage, owner: string, limit: number): Accepted | null {
    const known = this.conversations.flatMap(({ messages }) => messages).find(({ id }) => id === messageId)
    const answer = this.replies.findLast((reply) => reply.messageId === messageId)
    if (known === undefined) {
      if (answer?.conversationId === conversationId)
        return { outcome: "repeat", messageId, replyId: answer.id, message: null, job: null }
      return answer !== undefined || this.reply(messageId) !== undefined ? { outcome: "conflict" } : null
    }
    const isSame = known.conversationId === conversationId && known.role === "user" && known.content === content
    if (answer === undefined || !isSame) return { outcome: "conflict" }
    const isMine = answer.status === "running" && answer.owner === owner
    const job = isMine ? this.#job(answer, limit) : null
    return { outcome: "repeat", messageId, replyId: answer.id, message: { ...known }, job }
  }

  #held(owner: string, { replyId, attempt }: HeldReply): ReplyRow | undefined {
    const reply = this.reply(replyId)
    const isHeld = reply?.status === "running" && reply.owner === owner && reply.attempt === attempt
    return isHeld ? reply : undefined
  }

  #start(reply: ReplyRow, owner: string): void {
    reply.status = "running"
    reply.attempt += 1
    reply.calls += 1
    reply.owner = owner
    reply.leaseUntilMs = this.#now() + this.#leaseMs
  }

  #startNext(conversation: ConversationRow, owner: string, limit: number): ReplyJob | null {
    const next = conversation.replies.find(({ status }) => status === "queued")
    if (next === undefined) return null
    this.#start(next, owner)
    return this.#job(next, limit)
  }

  /** Ends, for its owner, a reply whose lease has run out. */
  #give(late: ReplyRow): TakenOver["ended"] {
    const status = late.isStopRequested ? "stopped" : "failed"
    late.attempt += 1
    const errorCode = status === "failed" ? "interrupted" : null
    this.#finish(late, { status, text: late.text, errorCode, usage: null, model: null, used: null })
    return { reply: jobless(late), end: this.#endOf(late) }
  }

  #finish(reply: ReplyRow, { status, text, errorCode, usage, used }: ReplyOutcome): void {
    const conversation = this.#conversations.get(reply.conversationId)!
    const { id, conversationId, position } = reply
    const createdAt = this.#touch(conversation)
    Object.assign(reply, { status, text: "", errorCode, usage, leaseUntilMs: null, endedAt: createdAt })
    const message: Message = {
      id,
      conversationId,
      position,
      role: "assistant",
      content: text,
      metadata: used === null ? null : { context: used },
      status,
      createdAt,
    }
    conversation.messages.push(message)
    conversation.messages.sort((a, b) => a.position - b.position)
  }

  /** Of a reply whose text was erased since, with none. */
  #endOf({ id, conversationId, position, status, attempt, errorCode, usage, endedAt }: ReplyRow): ReplyEnd {
    const stored = this.#conversations.get(conversationId)!.messages.find((one) => one.id === id)
    const message: Message = {
      id,
      conversationId,
      position,
      role: "assistant",
      content: stored?.content ?? "",
      metadata: stored?.metadata ?? null,
      status: status as ReplyEnd["status"],
      createdAt: endedAt!,
    }
    return { replyId: id, attempt, status: status as ReplyEnd["status"], message, errorCode, usage }
  }

  #job(reply: ReplyRow, limit: number): ReplyJob {
    const conversation = this.#conversations.get(reply.conversationId)!
    const message = conversation.messages.find(({ id }) => id === reply.messageId) ?? null
    const before = contextBefore(conversation, message?.position ?? reply.position, limit - 1)
    const asked: ContextMessage[] = message === null ? [] : [{ role: "user", content: message.content }]
    const stopRequested = reply.isStopRequested || message === null
    const context = [...before, ...asked]
    const { id, userId } = conversation
    const hasAnother = this.conversations.some((other) => other.userId === userId && other.id !== id)
    const recollects = hasAnother || (message?.position ?? reply.position) > limit - 1
    return { reply: jobless(reply), message: message && { ...message }, context, recollects, stopRequested }
  }

  /** The next moment of a conversation: no two of its writes have the same. */
  #touch(conversation: ConversationRow): string {
    conversation.updatedAtUs = Math.max(this.#now() * 1000, conversation.updatedAtUs + 1)
    return rfc3339(conversation.updatedAtUs)
  }
}

function nextPosition({ messages, replies }: ConversationRow): number {
  return 1 + Math.max(messages.at(-1)?.position ?? -1, ...replies.map(({ position }) => position))
}

function contextBefore({ messages, replies }: ConversationRow, position: number, limit: number): ContextMessage[] {
  const superseded = new Set(replies.flatMap(({ id, supersededBy }) => (supersededBy === null ? [] : [id])))
  const seen = messages.filter((one) => one.position < position && one.content !== "" && !superseded.has(one.id))
  return seen.slice(Math.max(0, seen.length - limit)).map(({ role, content }) => ({ role, content }))
}

type Place = Pick<ReplyRow, "id" | "conversationId" | "messageId" | "userId" | "position">

function newReply(place: Place): ReplyRow {
  return {
    ...place,
    status: "queued",
    attempt: 0,
    calls: 0,
    owner: null,
    leaseUntilMs: null,
    isStopRequested: false,
    text: "",
    errorCode: null,
    usage: null,
    supersededBy: null,
    endedAt: null,
  }
}
