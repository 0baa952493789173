import type { ClientFrame, ServerFrame } from "@grizz/protocol"
import type { StoredMessage } from "./rest-calls.ts"
import { hasText, parseJson } from "./has-text.ts"

/** One connection to one conversation, over whatever carries it, from its opening to its close. */
export interface Link {
  send(frame: ClientFrame): void
  /** Whether a `ping` is answered; where it is not, the engine shows by itself that it lives. */
  readonly isPingable: boolean
  /** Lets go at once; nothing is heard of it any more. */
  close(): void
}

export interface LinkListener {
  frame(frame: ServerFrame): void
  /** Something came that is no frame. */
  alive(): void
  /** A message of this device is stored; where it belongs among the events, they say themselves. */
  stored(stored: StoredMessage): void
  /** It is over. Codes are those of the protocol's WebSocket, also where there is none; 1006: cut. */
  closed(code: number, reason: string): void
}

/** Null for what is no frame; frames of a newer engine pass, and are ignored by the state. */
export function parseFrame(data: string): ServerFrame | null {
  const frame = parseJson(data)
  return isFrame(frame) ? frame : null
}

function isFrame(value: unknown): value is ServerFrame {
  return hasText(value, "type")
}
