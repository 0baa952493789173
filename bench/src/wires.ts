import { randomUUID } from "node:crypto"

/** What a frame of the server says, as far as the bench minds. */
export type Heard =
  | { kind: "ready" }
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
  /** @throws Error when the server says that something failed */
  read(frame: string): Heard
}

interface ReplyFrame {
  type: string
  text: string
  status: string
  message: { content: string }
}

/** The engine's typed protocol, with every promise on. */
export const engineWire: Wire = {
  subprotocols: ["grizz.v1"],
  hasGreeting: true,
  encode: (content) => JSON.stringify({ type: "message.send", id: randomUUID(), content }),
  read(text) {
    const frame: ReplyFrame = JSON.parse(text)
    switch (frame.type) {
      case "reply.delta":
        return { kind: "text", text: frame.text }
      case "reply.ended":
        if (frame.status !== "completed") throw new Error(`a reply ended as ${frame.status}: ${text}`)
        return { kind: "end", stored: frame.message.content }
      case "ready":
        return { kind: "ready" }
      case "error":
        throw new Error(`the engine refused a frame: ${text}`)
      default:
        return { kind: "other" }
    }
  },
}

export const relayWire: Wire = {
  subprotocols: [],
  hasGreeting: false,
  encode: (content) => content,
  read: (text) => (text === "" ? { kind: "end", stored: null } : { kind: "text", text }),
}
