import { randomUUID } from "node:crypto"

/** What a server says first. */
export interface Greeting {
  conversationId: string
  /** Where the conversation is; null for a server that has no cursors. */
  cursor: string | null
}

/** What a frame of the server says, as far as the bench minds. */
export type Heard =
  | { kind: "ready"; greeting: Greeting }
  | { kind: "text"; text: string }
  /** `stored` is the whole answer as the server keeps it; null where it keeps none. */
  | { kind: "end"; stored: string | null }
  | { kind: "other" }

/** How one server is spoken to. */
export interface Wire {
  subprotocols: string[]
  /** Whether the server says that it is ready. */
  hasGreeting: boolean
  encode(question: string): string
  /** `isGreeting`: the first frame of a server that has a greeting. @throws Error when the server says that something failed */
  read(frame: string, isGreeting: boolean): Heard
}

interface ServerFrame {
  type: string
  text: string
  status: string
  cursor: string
  message: { content: string }
  conversation: { id: string }
}

/** The engine's typed protocol, with every promise on. */
export const engineWire: Wire = {
  subprotocols: ["grizz.v1"],
  hasGreeting: true,
  encode: (content) => JSON.stringify({ type: "message.send", id: randomUUID(), content }),
  read(text) {
    const frame: ServerFrame = JSON.parse(text)
    switch (frame.type) {
      case "reply.delta":
        return { kind: "text", text: frame.text }
      case "reply.ended":
        if (frame.status !== "completed") throw new Error(`a reply ended as ${frame.status}: ${text}`)
        return { kind: "end", stored: frame.message.content }
      case "ready":
        return { kind: "ready", greeting: { conversationId: frame.conversation.id, cursor: frame.cursor } }
      case "reply.restarted":
        throw new Error(`a reply began anew: ${text}`)
      case "error":
        throw new Error(`the engine refused a frame: ${text}`)
      default:
        return { kind: "other" }
    }
  },
}

/** The wire of the bare relay: nothing but text, and an empty frame as the end. */
export const relayWire: Wire = {
  subprotocols: [],
  hasGreeting: false,
  encode: (content) => content,
  read: (text) => (text === "" ? { kind: "end", stored: null } : { kind: "text", text }),
}

/** The same, after a first frame that names the conversation. */
export const naiveWire: Wire = {
  ...relayWire,
  hasGreeting: true,
  read(text, isGreeting) {
    if (!isGreeting) return relayWire.read(text, false)
    const { conversation_id: conversationId }: { conversation_id: string } = JSON.parse(text)
    return { kind: "ready", greeting: { conversationId, cursor: null } }
  },
}
