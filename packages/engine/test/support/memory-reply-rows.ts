import type { ReplyErrorCode } from "@grizz/protocol/constants"
import type { Message, ReplyUsage } from "../../src/domain.ts"

/** A row of grizz.replies. */
export interface ReplyRow {
  readonly id: string
  readonly conversationId: string
  readonly messageId: string
  readonly userId: string
  readonly position: number
  status: "queued" | "running" | "completed" | "stopped" | "failed"
  attempt: number
  calls: number
  owner: string | null
  /** On the store's clock, in ms; null unless it runs. */
  leaseUntilMs: number | null
  isStopRequested: boolean
  text: string
  errorCode: ReplyErrorCode | null
  usage: ReplyUsage | null
  supersededBy: string | null
  endedAt: string | null
}

export interface ConversationRow {
  readonly id: string
  readonly userId: string
  readonly createdAt: string
  updatedAtUs: number
  erased: number
  /** Ascending by position. */
  messages: Message[]
  /** Ascending by position. */
  readonly replies: ReplyRow[]
}

export function isUnderWay({ status }: ReplyRow): boolean {
  return status === "queued" || status === "running"
}

/** Microseconds since the Unix epoch as the database writes them. */
export function rfc3339(timeUs: number): string {
  const fraction = String(timeUs % 1000).padStart(3, "0")
  return new Date(Math.floor(timeUs / 1000)).toISOString().replace("Z", `${fraction}Z`)
}
