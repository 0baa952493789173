import { newId } from "../../src/core/ids.ts"
import type { HeldReply, ReplyJob } from "../../src/ports.ts"
import type { ReplyStoreCommand } from "./reply-store-commands.ts"
import type { ReplyStorePair } from "./reply-store-pair.ts"

type Of<Kind extends ReplyStoreCommand["kind"]> = Extract<ReplyStoreCommand, { kind: Kind }>

const owners = ["node-a", "node-b"] as const

/** One user, two conversations, two nodes: carries commands out on both stores of a pair. */
export class ReplyStoreHistory {
  readonly #pair: ReplyStorePair
  readonly #userId = newId()
  readonly #strangerId = newId()
  readonly #conversationIds = [newId(), newId()]
  readonly #messageIds = Array.from({ length: 8 }, () => newId())
  /** Every id that was proposed for a reply, whether or not it became one. */
  readonly #replyIds: string[] = []
  readonly #jobs: { owner: string; job: ReplyJob }[] = []
  #lastRetry: { replyId: string; newReplyId: string } | null = null
  /** What happened, for whoever asks whether the test tried it. */
  readonly seen: Set<string>

  constructor(pair: ReplyStorePair, seen: Set<string>) {
    this.#pair = pair
    this.seen = seen
  }

  async begin(): Promise<void> {
    for (const id of this.#conversationIds) await this.#pair.create(this.#userId, id)
  }

  async carryOut(command: ReplyStoreCommand): Promise<void> {
    switch (command.kind) {
      case "accept":
        return this.#accept(command)
      case "end":
        return this.#end(command)
      case "stop": {
        const replyId = this.#replyId(command.reply)
        const outcome = await this.#pair.both((store) => store.requestStop(this.#user(command), replyId))
        return this.#note(`stop: ${outcome}`)
      }
      case "heartbeat":
      case "handOver":
        return this.#tell(command)
      case "expire":
        return this.#pair.expire(this.#conversationIds[command.conversation]!)
      case "takeOver":
        return this.#takeOver(command)
      case "retry":
        return this.#retry(command)
      case "erase":
        return this.#erase(command)
      case "view":
        return this.#view(command)
    }
  }

  /** Looks at everything from every place. */
  async finish(): Promise<void> {
    for (const conversation of [0, 1]) {
      await this.#view({ kind: "view", conversation, isStranger: false, after: null })
      for (let position = -1; position <= 11; position += 3) {
        const after = { message: position, reply: position + 1 }
        await this.#view({ kind: "view", conversation, isStranger: false, after })
      }
    }
  }

  async #accept(command: Of<"accept">): Promise<void> {
    const { conversation, message, isChanged, context, policy } = command
    const replyId = this.#proposeReply()
    const sent = {
      userId: this.#user(command),
      conversationId: this.#conversationIds[conversation]!,
      messageId: this.#messageIds[message]!,
      content: isChanged ? "something else" : `message ${message}`,
      metadata: message === 0 ? { device: "phone" } : null,
      replyId,
    }
    const owner = owners[command.owner]!
    const accepted = await this.#pair.both(async (store) => {
      const answer = await store.accept(sent, owner, context, policy)
      return answer.outcome === "accepted" ? { ...answer, interrupted: answer.interrupted.toSorted() } : answer
    })
    if (accepted === undefined) return this.#note("accept: refused")
    this.#note(`accept: ${accepted.outcome}`)
    if (!("job" in accepted)) return
    if (accepted.job !== null) this.#note(`accept: ${accepted.outcome}, with a job`)
    if (accepted.outcome === "repeat" && accepted.message === null) this.#note("accept: repeat of what was erased")
    if (accepted.outcome === "accepted" && accepted.interrupted.length > 0) this.#note("accept: interrupts")
    this.#give(owner, accepted.job)
  }

  async #end({ job: back, isOtherOwner, attemptShift, status, text, context }: Of<"end">): Promise<void> {
    const given = this.#jobs.at(-1 - back)
    if (given === undefined) return
    const owner = isOtherOwner ? owners.find((one) => one !== given.owner)! : given.owner
    const reply = { ...given.job.reply, attempt: given.job.reply.attempt + attemptShift }
    const outcome = {
      status,
      text,
      errorCode: status === "failed" ? ("model_timeout" as const) : null,
      usage: status === "completed" ? { inputTokens: 11, outputTokens: text.length } : null,
      model: status === "completed" ? "a model" : null,
      used: text === "" ? null : { persona: "1", messages: text.length, memories: [], quotes: [] },
    }
    const ended = await this.#pair.both((store) => store.end(reply, outcome, owner, context))
    this.#note(ended === null ? "end: refused" : "end: saved")
    if (ended == null) return
    if (ended.end.status !== status || ended.end.message.content !== text) this.#note("end: saved before")
    if (ended.next !== null) this.#note("end: the next begins")
    this.#give(owner, ended.next)
  }

  async #tell({ kind, owner: place, jobs, text }: Of<"heartbeat"> | Of<"handOver">): Promise<void> {
    const owner = owners[place]!
    const own = this.#jobs.filter((given) => given.owner === owner)
    const held = new Map<string, HeldReply>()
    for (const back of jobs) {
      const reply = own.at(-1 - back)?.job.reply
      if (reply !== undefined) held.set(reply.id, { replyId: reply.id, attempt: reply.attempt, text })
    }
    const replies = [...held.values()]
    if (kind === "handOver") {
      const done = await this.#pair.both(async (store) => {
        await store.handOver(owner, replies)
        return "done"
      })
      return this.#note(`handOver: ${done}`)
    }
    const heard = await this.#pair.both(async (store) => {
      const { stopped, lost } = await store.heartbeat(owner, replies)
      return { stopped: stopped.toSorted(), lost: lost.toSorted() }
    })
    if (heard !== undefined && heard.stopped.length > 0) this.#note("heartbeat: a stop")
    if (heard !== undefined && heard.lost.length > 0) this.#note("heartbeat: a loss")
  }

  async #takeOver({ conversation, owner: place, context, maxCalls }: Of<"takeOver">): Promise<void> {
    const owner = owners[place]!
    const late = (await this.#pair.both(async (store) => (await store.lateConversations()).sort())) ?? []
    const sweep = conversation === null ? late : [this.#conversationIds[conversation]!]
    for (const conversationId of sweep) {
      const taken = await this.#pair.both((store) => store.takeOver(conversationId, owner, context, maxCalls))
      const { ended, next } = taken ?? { ended: null, next: null }
      if (taken === null) this.#note("takeOver: nothing")
      if (ended !== null) this.#note(`takeOver: ${ended.end.status}`)
      if (next !== null) this.#note(`takeOver: ${next.reply.attempt > 1 ? "another attempt" : "the next begins"}`)
      this.#give(owner, next)
    }
  }

  async #retry({ reply, isAskedTwice, isOlder, owner: place, context, ...who }: Of<"retry">): Promise<void> {
    const owner = owners[place]!
    const userId = this.#user(who)
    const asked =
      isOlder && this.#lastRetry !== null
        ? this.#lastRetry
        : { replyId: this.#replyId(reply), newReplyId: this.#proposeReply() }
    const { replyId, newReplyId } = asked
    await this.#pair.both((store) => store.conversationOf(userId, replyId))
    for (const again of isAskedTwice ? ["", ", again"] : [""]) {
      const retried = await this.#pair.both((store) => store.retry(userId, replyId, newReplyId, owner, context))
      const outcome = typeof retried === "object" ? (retried.job === null ? "not mine" : "accepted") : retried
      this.#note(`retry: ${outcome}${again}`)
      if (typeof retried !== "object") return
      this.#lastRetry = asked
      this.#give(owner, retried.job)
    }
  }

  async #erase({ conversation, target, ...who }: Of<"erase">): Promise<void> {
    const messageId = target < 8 ? this.#messageIds[target]! : this.#replyId(target - 8)
    const erased = await this.#pair.both(async (store) => {
      const answer = await store.erase(this.#user(who), this.#conversationIds[conversation]!, messageId)
      return answer && { ...answer, stopped: answer.stopped.toSorted() }
    })
    if (erased != null) this.#note(`erase: ${erased.stopped.length > 0 ? "with a stop" : "done"}`)
  }

  async #view({ conversation, after, ...who }: Of<"view">): Promise<void> {
    await this.#pair.both((store) => store.view(this.#user(who), this.#conversationIds[conversation]!, after))
  }

  #user({ isStranger }: { isStranger: boolean }): string {
    return isStranger ? this.#strangerId : this.#userId
  }

  #proposeReply(): string {
    const id = newId()
    this.#replyIds.push(id)
    return id
  }

  /** Counted back from the newest. */
  #replyId(back: number): string {
    return this.#replyIds.at(-1 - back) ?? this.#strangerId
  }

  #give(owner: string, job: ReplyJob | null): void {
    if (job !== null) this.#jobs.push({ owner, job })
  }

  #note(what: string): void {
    this.seen.add(what)
  }
}
