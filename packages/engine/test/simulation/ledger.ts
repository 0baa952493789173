import type { ReplyEnd, RunningReply } from "../../src/domain.ts"
import type { Accepted, Heartbeat, HeldReply, ReplyJob, ReplyOutcome, Retried, TakenOver } from "../../src/ports.ts"
import type { MemoryReplyStore } from "../support/memory-reply-store.ts"
import type { World } from "./world.ts"

/** One committed call of the database. */
export interface Commit {
  owner: string
  method: string
  parameters: readonly unknown[]
  result: unknown
}

interface Grant {
  reply: RunningReply
  owner: string
  leaseUntilMs: number
}

/** One begun call of the model. */
export interface ModelCall {
  attempt: number
  said: string
}

/** What was promised, kept beside the store, so that a store that forgets a rule is found out too. */
export class Ledger {
  readonly world: World
  readonly store: MemoryReplyStore
  readonly #leaseMs: number
  readonly #maxCalls: number
  /** By reply id: who may write it now. */
  readonly #grants = new Map<string, Grant>()
  readonly #ended = new Map<string, { status: string; text: string }>()
  readonly #accepted = new Map<string, string>()
  /** By reply id, the attempt during which its stop was committed. */
  readonly #stopped = new Map<string, number>()
  readonly #told = new Set<string>()
  readonly #calls = new Map<string, ModelCall[]>()
  readonly #handedOver = new Map<string, number>()
  /** Rare things that happened, so that a test can tell that they are tried. */
  readonly seen = new Set<string>()
  /** Everything that every reader is told of, in the order of commits. */
  readonly order: string[] = []
  /**
   * Conversations in which a process never learned whether something was committed: until it looks, its readers hear what
   * comes after that, so that a message may come on the other side of a reply's begin or end.
   */
  readonly uncertain = new Set<string>()
  /** Ids of messages whose text must be nowhere. */
  readonly erased = new Set<string>()
  /** Called with what a commit changed for readers; `owner` tells it to its own. */
  onChange: (conversationId: string, owner: string) => void = () => {}

  constructor(world: World, store: MemoryReplyStore, { leaseMs, maxCalls }: { leaseMs: number; maxCalls: number }) {
    this.world = world
    this.store = store
    this.#leaseMs = leaseMs
    this.#maxCalls = maxCalls
  }

  get acceptedMessages(): ReadonlyMap<string, string> {
    return this.#accepted
  }

  isHeldBy({ id, attempt }: RunningReply, owner: string): boolean {
    const grant = this.#grants.get(id)
    return grant?.owner === owner && grant.reply.attempt === attempt
  }

  isGranted({ id, attempt }: RunningReply): boolean {
    return (this.#grants.get(id)?.reply.attempt ?? 0) >= attempt
  }

  committed({ owner, method, parameters, result }: Commit): void {
    if (method === "handOver") this.#handOverCommitted(owner, parameters[1] as HeldReply[])
    if (method === "end" && result === null) this.seen.add("a late end was refused")
    if (result === null) return
    switch (method) {
      case "accept":
        return this.#acceptCommitted(owner, result as Accepted)
      case "end": {
        const [reply, outcome] = parameters as [RunningReply, ReplyOutcome]
        return this.#endCommitted(owner, reply, outcome, result as { end: ReplyEnd; next: ReplyJob | null })
      }
      case "requestStop":
        return this.#stopCommitted(parameters[1] as string, result as string)
      case "heartbeat":
        return this.#heartbeatCommitted(owner, parameters[1] as HeldReply[], result as Heartbeat)
      case "takeOver":
        return this.#takeOverCommitted(owner, result as TakenOver)
      case "erase": {
        const [, conversationId, messageId] = parameters as [string, string, string]
        this.seen.add("a message was erased")
        this.erased.add(messageId)
        return this.onChange(conversationId, owner)
      }
      case "retry":
        if (typeof result === "string") return
        return this.#retryCommitted(owner, result as Retried)
      default:
    }
  }

  /** Heartbeats tell a process what to stop: from then on it must not produce it. */
  answered(owner: string, method: string, result: unknown): void {
    if (method !== "heartbeat") return
    for (const replyId of (result as Heartbeat).stopped) this.#told.add(`${owner} stops ${replyId}`)
  }

  produced(owner: string, { id }: RunningReply): void {
    this.world.check(!this.#told.has(`${owner} stops ${id}`), () => `${id}: produced after its stop was told`)
  }

  modelCalled(reply: RunningReply): ModelCall {
    const { id, attempt } = reply
    const calls = this.#calls.get(id) ?? []
    this.world.check(
      !calls.some((call) => call.attempt === attempt),
      () => `${id}: two model calls for attempt ${attempt}`,
    )
    const stopped = this.#stopped.get(id)
    this.world.check(stopped === undefined || attempt <= stopped, () => `${id}: a model call after its stop`)
    const call = { attempt, said: "" }
    this.#calls.set(id, [...calls, call])
    return call
  }

  /** What must hold when all is over. */
  settle(): void {
    const { world, store } = this
    for (const [messageId, replyId] of this.#accepted) {
      const rows = store.conversations.flatMap(({ messages }) => messages).filter(({ id }) => id === messageId)
      world.check(
        rows.length === (this.erased.has(messageId) ? 0 : 1),
        () => `message ${messageId} is stored ${rows.length} times`,
      )
      world.check(this.#ended.has(replyId), () => `reply ${replyId} has no end`)
    }
    for (const reply of store.replies) {
      const calls = this.#calls.get(reply.id)?.length ?? 0
      const allowed = this.#maxCalls + (this.#handedOver.get(reply.id) ?? 0)
      world.check(this.#ended.has(reply.id), () => `reply ${reply.id} has no end`)
      world.check(calls <= Math.min(reply.attempt, allowed), () => `reply ${reply.id}: ${calls} model calls`)
      world.check(
        !world.isCalm || reply.attempt === 1,
        () => `reply ${reply.id}: attempt ${reply.attempt} for no reason`,
      )
      world.check(reply.calls <= this.#maxCalls, () => `reply ${reply.id}: ${reply.calls} calls counted`)
    }
    for (const { id, messages, replies, erased } of store.conversations) {
      if (erased > 0) continue
      const asked = messages.filter(({ role }) => role === "user")
      const positions = [...asked, ...replies].map(({ position }) => position)
      world.check(new Set(positions).size === positions.length, () => `${id}: two things at one position`)
      world.check(Math.max(...positions, -1) === positions.length - 1, () => `${id}: a position is empty`)
      world.check(messages.length === asked.length + replies.length, () => `${id}: a reply without a message, or twice`)
    }
  }

  #acceptCommitted(owner: string, accepted: Accepted): void {
    const { world } = this
    if (accepted.outcome === "repeat") {
      this.seen.add("a send was repeated")
      world.check(this.#accepted.has(accepted.messageId), () => `${accepted.messageId}: a repeat of nothing`)
      if (accepted.job !== null) world.check(this.isHeldBy(accepted.job.reply, owner), () => "a job for a stranger")
    }
    if (accepted.outcome !== "accepted") return
    const { message, replyId, job, interrupted } = accepted
    world.check(!this.#accepted.has(message.id), () => `message ${message.id} was accepted twice`)
    this.#accepted.set(message.id, replyId)
    this.order.push(`said ${message.id}`)
    for (const id of interrupted) this.#stopCommitted(id, "requested")
    if (job !== null) this.#grant(owner, job.reply)
    this.onChange(message.conversationId, owner)
  }

  #endCommitted(
    owner: string,
    reply: RunningReply,
    { status, text }: ReplyOutcome,
    { end, next }: { end: ReplyEnd; next: ReplyJob | null },
  ): void {
    const { world } = this
    world.check(this.isHeldBy(reply, owner), () => `${reply.id}: ended by ${owner}, which had lost it`)
    const before = this.#ended.get(reply.id)
    if (before === undefined) {
      const call = this.#calls.get(reply.id)?.find(({ attempt }) => attempt === reply.attempt)
      if (status === "completed") world.check(call?.said === text, () => `${reply.id}: not what the model said`)
      this.#end(end)
      this.onChange(reply.conversationId, owner)
    } else {
      const isSame = before.status === end.status && before.text === end.message.content
      // The text of an erased one is not said again.
      if (this.erased.has(reply.id)) return
      this.seen.add("an end was saved again")
      world.check(isSame, () => `${reply.id}: another end than the first`)
    }
    if (next !== null && !(before !== undefined && this.isHeldBy(next.reply, owner))) this.#grant(owner, next.reply)
  }

  #stopCommitted(replyId: string, result: string): void {
    if (result !== "requested" || this.#stopped.has(replyId)) return
    this.#stopped.set(replyId, this.store.reply(replyId)!.attempt)
  }

  #heartbeatCommitted(owner: string, held: HeldReply[], { lost }: Heartbeat): void {
    for (const { replyId, attempt } of held) {
      if (lost.includes(replyId)) continue
      const grant = this.#grants.get(replyId)
      const isHolder = grant?.owner === owner && grant.reply.attempt === attempt && !this.#ended.has(replyId)
      this.world.check(isHolder, () => `${replyId}: a lease was renewed for ${owner}, which had lost it`)
      if (grant !== undefined) grant.leaseUntilMs = this.world.timeMs + this.#leaseMs
    }
  }

  #handOverCommitted(owner: string, held: HeldReply[]): void {
    for (const { replyId, attempt } of held) {
      const grant = this.#grants.get(replyId)
      if (grant?.owner !== owner || grant.reply.attempt !== attempt || this.#ended.has(replyId)) continue
      this.seen.add("a reply was handed over")
      grant.leaseUntilMs = Number.NEGATIVE_INFINITY
      this.#handedOver.set(replyId, (this.#handedOver.get(replyId) ?? 0) + 1)
    }
  }

  #takeOverCommitted(owner: string, { ended, next }: TakenOver): void {
    if (ended === null && next !== null && this.isHeldBy(next.reply, owner)) return
    if (ended !== null) {
      this.#checkLate(ended.reply)
      this.#grants.set(ended.reply.id, { reply: ended.reply, owner, leaseUntilMs: 0 })
      this.#end(ended.end)
    }
    if (next !== null) {
      this.#checkLate(next.reply)
      this.#grant(owner, next.reply)
    }
    this.seen.add(ended === null ? "a reply went on elsewhere" : "a reply was ended for its owner")
    const conversationId = ended?.reply.conversationId ?? next?.reply.conversationId ?? ""
    this.onChange(conversationId, owner)
  }

  #retryCommitted(owner: string, { job }: Retried): void {
    this.seen.add("a reply was retried")
    if (job !== null && !this.isHeldBy(job.reply, owner)) this.#grant(owner, job.reply)
  }

  #checkLate({ id }: RunningReply): void {
    const grant = this.#grants.get(id)
    const isLate = grant === undefined || grant.leaseUntilMs < this.world.timeMs
    this.world.check(isLate, () => `${id}: taken from a living owner`)
  }

  #grant(owner: string, reply: RunningReply): void {
    const before = this.#grants.get(reply.id)?.reply.attempt ?? 0
    this.world.check(reply.attempt > before, () => `${reply.id}: attempt ${reply.attempt} after ${before}`)
    this.#grants.set(reply.id, { reply, owner, leaseUntilMs: this.world.timeMs + this.#leaseMs })
    if (before === 0) this.order.push(`started ${reply.id}`)
    this.onChange(reply.conversationId, owner)
  }

  #end({ replyId, status, message }: ReplyEnd): void {
    this.world.check(!this.#ended.has(replyId), () => `${replyId}: a second end`)
    this.#ended.set(replyId, { status, text: message.content })
    this.order.push(`ended ${replyId}`)
  }
}
