import { WebSocket } from "ws"
import type { ModelBook, ModelCall } from "./chaos-model.ts"
import type { Stored, StoredReply } from "./ledger.ts"
import type { Told } from "./told.ts"

/** What one socket in plain mode said and was told. */
export interface PlainTranscript {
  name: string
  sent: string[]
  /** Pieces of replies, joined. */
  text: string
  /** Frames that said that something failed. */
  errors: number
}

/** A device that speaks the wire of the first engine; it has no cursor, and every socket starts anew. */
export class PlainDevice {
  readonly #name: string
  readonly transcripts: PlainTranscript[] = []
  #socket: WebSocket | null = null

  constructor(name: string) {
    this.#name = name
  }

  get isOffline(): boolean {
    return this.#socket === null
  }

  connect(socketUrl: string): void {
    const socket = new WebSocket(socketUrl, { handshakeTimeout: 4000 })
    this.#socket = socket
    const transcript: PlainTranscript = { name: this.#name, sent: [], text: "", errors: 0 }
    this.transcripts.push(transcript)
    socket.on("message", (data: Buffer) => {
      const text = data.toString()
      if (text.startsWith("\n\n[Error: ") && text.endsWith("]")) transcript.errors += 1
      else transcript.text += text
    })
    // The close that follows says the rest.
    socket.on("error", () => undefined)
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = null
    })
  }

  /** False when there is no connection to send it on. */
  send(content: string): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.transcripts.at(-1)?.sent.push(content)
    this.#socket.send(content)
    return true
  }

  drop(): void {
    this.#socket?.terminate()
    this.#socket = null
  }
}

/** What a plain socket was told must be the replies to its own messages, in order, each whole or cut by a failure. */
export function checkPlain(told: Told, stored: Stored, model: ModelBook, transcript: PlainTranscript): void {
  const replies = Map.groupBy(stored.replies, ({ messageId }) => messageId)
  const own = stored.messages
    .filter(({ role, content }) => role === "user" && transcript.sent.includes(content))
    .toSorted((a, b) => a.position - b.position)
  let leftMin = transcript.text.length
  const isExplained = (rest: string, at: number): boolean => {
    leftMin = Math.min(leftMin, rest.length)
    if (rest === "") return true
    const message = own[at]
    const reply = message && replies.get(message.id)?.[0]
    if (reply === undefined) return false
    const lengths = toldLengths(reply, model.callsOf(message!.content), rest, transcript.errors > 0)
    return lengths.some((length) => isExplained(rest.slice(length), at + 1))
  }
  if (isExplained(transcript.text, 0)) return
  const expected = own
    .flatMap(({ id }) => replies.get(id) ?? [])
    .map((reply) => ({
      begin: reply.text?.slice(0, 10),
      units: reply.text?.length,
      attempt: reply.attempt,
      status: reply.status,
    }))
  const heard = [...transcript.text.matchAll(/‹[^›]+›/g)].map(({ index, 0: begin }) => ({ index, begin }))
  told.violate(
    "text",
    `${transcript.name}: the last ${leftMin} of ${transcript.text.length} units are no reply to it; ` +
      `${transcript.errors} errors, heard ${JSON.stringify(heard)}, stored ${JSON.stringify(expected)}`,
  )
}

/** How much of what was heard may belong to this reply; empty when it cannot be. */
function toldLengths(
  { text, attempt }: StoredReply,
  calls: readonly ModelCall[],
  heard: string,
  hasFailed: boolean,
): number[] {
  const whole = text ?? ""
  // Another attempt took the reply over, perhaps with less than was heard; or the socket was told that its message
  // failed, and heard no more of it. All texts begin alike, so that the next reply's beginning may look like this one's.
  if (attempt > 1 || hasFailed) {
    const most = Math.max(0, ...calls.map((call) => commonLength(call.text, heard)))
    return Array.from({ length: most + 1 }, (_, less) => most - less)
  }
  if (heard.startsWith(whole)) return [whole.length]
  return whole.startsWith(heard) ? [heard.length] : []
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return length
}
