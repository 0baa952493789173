/** What clients said and were told, over all users and devices of a run. */
export class Told {
  readonly sends = new Map<string, SentMessage>()
  /** By reply, every end that a device was told of, with how many devices were told so. */
  readonly ends = new Map<string, Map<string, number>>()
  readonly violations: Violation[] = []
  readonly counts = new Map<string, number>()
  /** Called when a client is told for the first time of a message, or of the end of a reply. */
  onStored: (id: string) => void = () => undefined

  /** The same sends and ends, and no violation yet. */
  withoutViolations(): Told {
    const told = new Told()
    for (const [id, send] of this.sends) told.sends.set(id, send)
    for (const [id, ends] of this.ends) told.ends.set(id, ends)
    return told
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  violate(kind: ViolationKind, detail: string): void {
    this.violations.push({ kind, detail })
  }

  /** @param end as it was told, without what differs from device to device */
  ended(replyId: string, end: ToldEnd): void {
    if (!this.ends.has(replyId)) this.onStored(replyId)
    const ends = this.ends.get(replyId) ?? new Map<string, number>()
    const key = JSON.stringify(end)
    ends.set(key, (ends.get(key) ?? 0) + 1)
    this.ends.set(replyId, ends)
  }
}

export interface SentMessage {
  id: string
  conversationId: string
  content: string
  isAcknowledged: boolean
  /** Replies to it that a client was told of. */
  replyIds: Set<string>
}

export interface ToldEnd {
  position: number
  status: string
  content: string
  errorCode: string | null
  inputTokens: number | null
  outputTokens: number | null
}

export const violationKinds = {
  lost: "acknowledged and lost",
  unended: "replies without an end",
  ends: "ends told that differ, or told twice",
  text: "texts that differ: folded, stored, of the model",
  duplicate: "duplicate messages or replies",
  order: "order that differs between devices",
  gap: "gaps in position or in what a device saw",
  calls: "model calls beyond the recorded ones",
  foreign: "what belongs to another user or to nobody",
  refused: "sockets or frames refused without a cause",
  stuck: "what did not heal in time",
  memory: "memory beyond the baseline",
  secret: "secrets in a node's log",
} as const

export type ViolationKind = keyof typeof violationKinds

export interface Violation {
  kind: ViolationKind
  detail: string
}
