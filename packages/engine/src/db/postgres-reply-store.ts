import { limits } from "@grizz/protocol/constants"
import type { Message, ReplyEnd, RunningReply } from "../domain.ts"
import type {
  Accepted,
  ConcurrentSends,
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
} from "../ports.ts"
import { newestView, toConversationView, type ViewRow, viewAfter } from "./conversation-view.ts"
import type { Database, Parameter } from "./database.ts"
import {
  type AcceptedJson,
  acceptMessage,
  conversationOf,
  type EndedJson,
  endReply,
  eraseMessage,
  handOver,
  lateConversations,
  type RetriedJson,
  renewLeases,
  requestStop,
  retryReply,
  type TakenJson,
  takeOver,
  toAccepted,
  toJob,
} from "./reply-statements.ts"
import { toReplyUsage } from "./rows.ts"

export interface ReplyStoreOptions {
  /** How long an owner may stay silent before its replies are taken from it; on the database's clock. */
  leaseSeconds: number
}

const snapshotMessages = 50
const lateAtMost = 100

/** Replies in PostgreSQL: a turn is two statements, `accept` and `end`. */
export class PostgresReplyStore implements ReplyStore {
  readonly #database: Database
  readonly #lease: string

  constructor(database: Database, { leaseSeconds }: ReplyStoreOptions = { leaseSeconds: 15 }) {
    this.#database = database
    this.#lease = `${leaseSeconds} seconds`
  }

  async accept(
    message: NewMessage,
    owner: string,
    contextMessages: number,
    concurrentSends: ConcurrentSends,
  ): Promise<Accepted> {
    const { userId, conversationId, messageId, content, metadata, replyId } = message
    const [row] = await this.#database.query<{ accepted: AcceptedJson }>(acceptMessage, [
      userId,
      conversationId,
      messageId,
      content,
      metadata === null ? null : JSON.stringify(metadata),
      replyId,
      owner,
      this.#lease,
      contextMessages - 1,
      concurrentSends,
    ])
    return toAccepted(message, row!.accepted)
  }

  async end(
    reply: RunningReply,
    outcome: ReplyOutcome,
    owner: string,
    contextMessages: number,
  ): Promise<{ end: ReplyEnd; next: ReplyJob | null } | null> {
    const { status, text, errorCode, usage, model, used } = outcome
    const metadata = used === null ? null : { context: used }
    const parameters: Parameter[] = [
      reply.conversationId,
      reply.id,
      owner,
      reply.attempt,
      status,
      text,
      errorCode,
      usage?.inputTokens ?? null,
      usage?.outputTokens ?? null,
      model,
      this.#lease,
      contextMessages - 1,
      metadata === null ? null : JSON.stringify(metadata),
    ]
    const [row] = await this.#database.query<{ ended: EndedJson | null }>(endReply, parameters)
    const ended = row!.ended
    if (ended === null) return null
    const { created_at: createdAt, stored, next } = ended
    const saved = stored === null ? { status, text, errorCode, usage, metadata } : toSaved(stored)
    return { end: replyEnd(reply, { ...saved, createdAt }), next: next && toJob(reply.conversationId, next) }
  }

  async requestStop(userId: string, replyId: string): Promise<"requested" | "ended" | null> {
    const [row] = await this.#database.query<{ requested: boolean }>(requestStop, [userId, replyId])
    if (row === undefined) return null
    return row.requested ? "requested" : "ended"
  }

  async heartbeat(owner: string, replies: HeldReply[]): Promise<Heartbeat> {
    if (replies.length === 0) return { stopped: [], lost: [] }
    const rows = await this.#database.query<{ id: string; lost: boolean }>(renewLeases, [
      owner,
      ...columnsOf(replies),
      this.#lease,
    ])
    return {
      stopped: rows.filter(({ lost }) => !lost).map(({ id }) => id),
      lost: rows.filter(({ lost }) => lost).map(({ id }) => id),
    }
  }

  async handOver(owner: string, replies: HeldReply[]): Promise<void> {
    if (replies.length > 0) await this.#database.query(handOver, [owner, ...columnsOf(replies)])
  }

  async lateConversations(): Promise<string[]> {
    const rows = await this.#database.query<{ id: string }>(lateConversations, [lateAtMost])
    return rows.map(({ id }) => id)
  }

  async takeOver(
    conversationId: string,
    owner: string,
    contextMessages: number,
    maxCalls: number,
  ): Promise<TakenOver | null> {
    const parameters = [conversationId, owner, this.#lease, contextMessages - 1, maxCalls]
    const [row] = await this.#database.query<{ taken: TakenJson | null }>(takeOver, parameters)
    const taken = row!.taken
    return (
      taken && {
        ended: taken.ended && toTakenEnd(conversationId, taken.ended),
        next: taken.next && toJob(conversationId, taken.next),
      }
    )
  }

  async conversationOf(userId: string, replyId: string): Promise<string | null> {
    const [row] = await this.#database.query<{ id: string }>(conversationOf, [userId, replyId])
    return row?.id ?? null
  }

  async retry(
    userId: string,
    replyId: string,
    newReplyId: string,
    owner: string,
    contextMessages: number,
  ): Promise<Retried | "conflict" | "not_found"> {
    const parameters = [userId, replyId, newReplyId, owner, this.#lease, contextMessages - 1]
    const [row] = await this.#database.query<{ retried: RetriedJson }>(retryReply, parameters)
    const retried = row!.retried
    if (retried.outcome !== "accepted") return retried.outcome
    const { conversation_id: conversationId, message_id: messageId, job } = retried
    return { messageId, job: job && toJob(conversationId, job) }
  }

  async erase(userId: string, conversationId: string, messageId: string): Promise<Erased | null> {
    const [row] = await this.#database.query<{ erased: Erased | null }>(eraseMessage, [
      userId,
      conversationId,
      messageId,
    ])
    return row!.erased
  }

  async view(
    userId: string,
    conversationId: string,
    after: { message: number; reply: number } | null,
  ): Promise<ConversationView | null> {
    const [row] = await (after === null
      ? this.#database.query<ViewRow>(newestView, [userId, conversationId, snapshotMessages])
      : this.#database.query<ViewRow>(viewAfter, [
          userId,
          conversationId,
          after.message,
          after.reply,
          limits.resumeMaxMessages + 1,
        ]))
    return row === undefined ? null : toConversationView(row)
  }
}

type Ending = Pick<ReplyOutcome, "status" | "text" | "errorCode" | "usage"> & Pick<Message, "metadata" | "createdAt">

function replyEnd(reply: RunningReply, { status, text, errorCode, usage, metadata, createdAt }: Ending): ReplyEnd {
  const { id, conversationId, position, attempt } = reply
  const message = { id, conversationId, position, role: "assistant", content: text, metadata } as const
  return { replyId: id, attempt, status, message: { ...message, status, createdAt }, errorCode, usage }
}

function toSaved(stored: NonNullable<EndedJson["stored"]>): Omit<Ending, "createdAt"> {
  const { status, text, error_code: errorCode, metadata } = stored
  return { status, text, errorCode, usage: toReplyUsage(stored), metadata }
}

function toTakenEnd(conversationId: string, ended: NonNullable<TakenJson["ended"]>) {
  const { reply_id: id, message_id: messageId, position, attempt, status, text, created_at: createdAt } = ended
  const reply: RunningReply = { id, conversationId, messageId, position, attempt }
  const errorCode = status === "failed" ? ("interrupted" as const) : null
  return { reply, end: replyEnd(reply, { status, text, errorCode, usage: null, metadata: null, createdAt }) }
}

function columnsOf(replies: HeldReply[]): [string[], number[], string[]] {
  return [replies.map(({ replyId }) => replyId), replies.map(({ attempt }) => attempt), replies.map(({ text }) => text)]
}
