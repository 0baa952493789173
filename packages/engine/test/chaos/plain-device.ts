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
  const own = stored.messages.filter(({ role, content }) => role === "user" && transcript.sent.includes(content))
  let rest = transcript.text
  for (const { id, content } of own.toSorted((a, b) => a.position - b.position)) {
    const reply = replies.get(id)?.[0]
    if (rest === "" || reply === undefined) break
    const length = toldLength(reply, model.callsOf(content), rest, transcript.errors > 0)
    if (length === null) break
    rest = rest.slice(length)
  }
  if (rest === "") return
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
    `${transcript.name}: the last ${rest.length} of ${transcript.text.length} units are no reply to it; ` +
      `${transcript.errors} errors, heard ${JSON.stringify(heard)}, stored ${JSON.stringify(expected)}`,
  )
}

/** How much of what was heard belongs to this reply; null when it cannot be. */
function toldLength(
  { text, attempt }: StoredReply,
  calls: readonly ModelCall[],
  heard: string,
  hasFailed: boolean,
): number | null {
  const whole = text ?? ""
  // Another attempt took the reply over, perhaps with less than was heard; or the socket was told that its message
  // failed, and heard no more of it.
  if (attempt > 1 || hasFailed) return Math.max(0, ...calls.map((call) => commonLength(call.text, heard)))
  if (heard.startsWith(whole)) return whole.length
  return whole.startsWith(heard) ? heard.length : null
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length += 1
  return length
}
