import { newId } from "../../src/core/ids.ts"
import type { Accepted, ConcurrentSends, ReplyJob, ReplyOutcome } from "../../src/ports.ts"
import type { Stores } from "../../src/db/stores.ts"

export const completed = (text: string): ReplyOutcome => ({
  status: "completed",
  text,
  errorCode: null,
  usage: { inputTokens: 11, outputTokens: 7 },
  model: "test-model",
  used: null,
})

/** One user with one conversation, and the two round trips of a turn in one line each. */
export class TestConversation {
  readonly stores: Stores
  readonly userId: string
  readonly id: string
  readonly owner: string

  private constructor(stores: Stores, userId: string, id: string, owner: string) {
    this.stores = stores
    this.userId = userId
    this.id = id
    this.owner = owner
  }

  static async create(stores: Stores, userId = newId(), owner = "node-a"): Promise<TestConversation> {
    const { id } = await stores.conversations.create(userId, null)
    return new TestConversation(stores, userId, id, owner)
  }

  /** One that is there already. */
  static of(stores: Stores, userId: string, conversationId: string, owner = "node-a"): TestConversation {
    return new TestConversation(stores, userId, conversationId, owner)
  }

  accept(
    content: string,
    ids: { messageId?: string; replyId?: string } = {},
    contextMessages = 10,
    concurrentSends: ConcurrentSends = "enqueue",
  ): Promise<Accepted> {
    const { messageId = newId(), replyId = newId() } = ids
    const message = { userId: this.userId, conversationId: this.id, messageId, content, metadata: null, replyId }
    return this.stores.replies.accept(message, this.owner, contextMessages, concurrentSends)
  }

  /** A message whose reply this test is to produce at once. */
  async start(content: string): Promise<ReplyJob> {
    const accepted = await this.accept(content)
    if (accepted.outcome !== "accepted" || accepted.job === null) throw new Error(`not started: ${accepted.outcome}`)
    return accepted.job
  }

  /** A message that waits for the one before. */
  async enqueue(content: string): Promise<{ messageId: string; replyId: string }> {
    const accepted = await this.accept(content)
    if (accepted.outcome !== "accepted" || accepted.job !== null) throw new Error("not queued")
    return { messageId: accepted.message.id, replyId: accepted.replyId }
  }

  end(job: ReplyJob, outcome: ReplyOutcome, contextMessages = 10) {
    return this.stores.replies.end(job.reply, outcome, this.owner, contextMessages)
  }

  /** A whole turn. */
  async say(content: string, answer: string): Promise<ReplyJob> {
    const job = await this.start(content)
    await this.end(job, completed(answer))
    return job
  }

  async history(superseded = false): Promise<string[]> {
    const page = await this.stores.messages.page(this.userId, this.id, { limit: 200, superseded })
    return (page ?? []).map(({ position, content }) => `${position} ${content}`)
  }
}
