import type { DeviceView } from "./device-view.ts"
import type { ModelBook } from "./chaos-model.ts"
import type { Told, ToldEnd } from "./told.ts"

export interface StoredMessage {
  id: string
  conversationId: string
  position: number
  role: string
  content: string
}

export interface StoredReply {
  id: string
  conversationId: string
  messageId: string
  position: number
  status: string
  attempt: number
  calls: number
  errorCode: string | null
  inputTokens: number | null
  outputTokens: number | null
  supersededBy: string | null
  /** Of its row in `public.messages`; null where there is none. */
  text: string | null
}

/** The database at the end of a run, read past every node. */
export interface Stored {
  messages: StoredMessage[]
  replies: StoredReply[]
}

export interface LedgerInput {
  told: Told
  stored: Stored
  model: ModelBook
  devices: { name: string; conversationId: string; view: DeviceView }[]
  /** Model calls for one reply at most, hand-overs not counted. */
  callsMax: number
}

/** Compares what clients were told with what is stored, and writes every difference down as a violation. */
export function checkLedger(input: LedgerInput): void {
  checkSends(input)
  checkEnds(input)
  checkTexts(input)
  checkPositions(input)
  checkCalls(input)
  for (const device of input.devices) checkDevice(input, device)
}

function checkSends({ told, stored }: LedgerInput): void {
  const messages = new Map(stored.messages.map((message) => [message.id, message]))
  const replies = new Map(stored.replies.map((reply) => [reply.id, reply]))
  for (const { id, conversationId, content, isAcknowledged, replyIds } of told.sends.values()) {
    const message = messages.get(id)
    if (!isAcknowledged) told.violate("stuck", `message ${id} was never acknowledged`)
    else if (message === undefined) told.violate("lost", `message ${id} was acknowledged and is not stored`)
    else if (message.content !== content) told.violate("text", `message ${id} is stored with other content`)
    else if (message.conversationId !== conversationId) told.violate("foreign", `message ${id} is stored elsewhere`)
    for (const replyId of replyIds) {
      if (replies.get(replyId)?.messageId === id) continue
      told.violate("lost", `message ${id} was told to have reply ${replyId}, which is not stored as such`)
    }
  }
  const rows = new Map<string, number>()
  for (const { role, content } of stored.messages) {
    if (role === "user") rows.set(content, (rows.get(content) ?? 0) + 1)
  }
  for (const [content, count] of rows) {
    if (count > 1) told.violate("duplicate", `${count} rows of the message ${JSON.stringify(content.slice(0, 60))}`)
  }
}

function checkEnds({ told, stored }: LedgerInput): void {
  const replies = new Map(stored.replies.map((reply) => [reply.id, reply]))
  for (const { id, status, text } of stored.replies) {
    const hasEnded = status === "completed" || status === "stopped" || status === "failed"
    if (!hasEnded) told.violate("unended", `reply ${id} is ${status}`)
    else if (text === null) told.violate("lost", `reply ${id} has ended and is not in the history`)
  }
  for (const [replyId, ends] of told.ends) {
    const reply = replies.get(replyId)
    if (ends.size > 1) told.violate("ends", `reply ${replyId}: ${[...ends.keys()].map(brief).join(" and ")}`)
    const storedEnd = reply === undefined ? null : JSON.stringify(endOf(reply))
    for (const end of ends.keys()) {
      if (end !== storedEnd) {
        told.violate(
          "ends",
          `reply ${replyId}: told ${brief(end)}, stored ${storedEnd === null ? "none" : brief(storedEnd)}`,
        )
      }
    }
  }
  const answers = Map.groupBy(
    stored.replies.filter(({ supersededBy }) => supersededBy === null),
    ({ messageId }) => messageId,
  )
  for (const { id, role } of stored.messages) {
    const count = answers.get(id)?.length ?? 0
    if (role !== "user" || count === 1) continue
    told.violate(count === 0 ? "unended" : "duplicate", `message ${id} has ${count} replies beside the superseded ones`)
  }
}

function endOf({ position, status, text, errorCode, inputTokens, outputTokens }: StoredReply): ToldEnd {
  return { position, status, content: text ?? "", errorCode, inputTokens, outputTokens }
}

function brief(end: string): string {
  const { content, ...rest } = JSON.parse(end) as ToldEnd
  return JSON.stringify({ ...rest, units: content.length, end: content.slice(-16) })
}

/** What is stored is what the model said in one of its calls: all of it, or where the reply did not complete, its beginning. */
function checkTexts({ told, stored, model }: LedgerInput): void {
  const messages = new Map(stored.messages.map((message) => [message.id, message]))
  for (const { id, messageId, status, text } of stored.replies) {
    const calls = model.callsOf(messages.get(messageId)?.content ?? "")
    const isSaid = calls.some((call) =>
      status === "completed" ? call.text === text : call.text.startsWith(text ?? ""),
    )
    if (!isSaid && text !== "") told.violate("text", `reply ${id} (${status}) is nothing that the model said`)
  }
}

function checkPositions({ told, stored }: LedgerInput): void {
  const places = new Map<string, Map<number, Set<string>>>()
  for (const { conversationId, position, id } of [...stored.messages, ...stored.replies]) {
    const conversation = places.get(conversationId) ?? new Map<number, Set<string>>()
    conversation.set(position, (conversation.get(position) ?? new Set()).add(id))
    places.set(conversationId, conversation)
  }
  for (const [conversationId, conversation] of places) {
    const newest = Math.max(...conversation.keys())
    if (conversation.size !== newest + 1)
      told.violate("gap", `${conversationId}: ${conversation.size} of ${newest + 1} positions`)
    for (const [position, ids] of conversation) {
      if (ids.size > 1) told.violate("gap", `${conversationId}: ${ids.size} at position ${position}`)
    }
  }
}

function checkCalls({ told, stored, model, callsMax }: LedgerInput): void {
  const replies = Map.groupBy(stored.replies, ({ messageId }) => messageId)
  for (const { id, role, content } of stored.messages) {
    if (role !== "user") continue
    const recorded = (replies.get(id) ?? []).reduce((sum, reply) => sum + callsRecorded(reply), 0)
    const paid = model.callsOf(content).filter(({ isPaid }) => isPaid).length
    if (paid > recorded) told.violate("calls", `message ${id}: ${paid} paid calls, ${recorded} recorded`)
  }
  for (const { id, calls } of stored.replies) {
    if (calls > callsMax) told.violate("calls", `reply ${id}: ${calls} calls are recorded, more than ${callsMax}`)
  }
}

/** Each attempt is a call begun, handed over or not; but the last one of a reply that was ended for its owner made none. */
function callsRecorded({ attempt, errorCode }: StoredReply): number {
  return attempt - (errorCode === "interrupted" ? 1 : 0)
}

function checkDevice(
  { told, stored }: LedgerInput,
  { name, conversationId, view }: LedgerInput["devices"][number],
): void {
  const replies = new Map(stored.replies.map((reply) => [reply.id, reply]))
  const oldest = Math.min(...view.entries.keys())
  const rows = new Map<number, StoredMessage>()
  for (const message of stored.messages) {
    if (message.conversationId !== conversationId) continue
    rows.set(message.position, message)
    const isSuperseded = replies.get(message.id)?.supersededBy != null
    if (message.position >= oldest && !isSuperseded && !view.entries.has(message.position)) {
      told.violate("gap", `${name} has not seen position ${message.position} (${message.role})`)
    }
  }
  for (const [position, entry] of view.entries) {
    const row = rows.get(position)
    const status = replies.get(entry.id)?.status ?? "sent"
    if (row === undefined || row.id !== entry.id)
      told.violate("order", `${name} has ${entry.id} at position ${position}`)
    else if (row.content !== entry.content) told.violate("text", `${name}: position ${position} is not as stored`)
    else if (status !== entry.status)
      told.violate("ends", `${name}: position ${position} is ${entry.status}, not ${status}`)
  }
  if (view.running !== null) told.violate("unended", `${name} still shows ${view.running.replyId} as running`)
}
