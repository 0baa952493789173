import type { ClientFrame } from "@grizz/protocol"
import { SUBPROTOCOL } from "@grizz/protocol/constants"
import { type Link, type LinkListener, parseFrame } from "./link.ts"

/** The part of the standard WebSocket that the SDK uses; `ws` fits too. */
export interface WebSocketLike {
  readonly readyState: number
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void
  addEventListener(type: "error", listener: () => void): void
  send(text: string): void
  close(code?: number): void
}
/** `WebSocket` of the platform, or of `ws`. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

const OPEN = 1

/** A WebSocket of `grizz.v1`. */
export class SocketLink implements Link {
  readonly isPingable = true
  readonly #socket: WebSocketLike
  #listener: LinkListener | null

  constructor(webSocket: WebSocketConstructor, url: string, listener: LinkListener) {
    this.#listener = listener
    this.#socket = new webSocket(url, [SUBPROTOCOL])
    this.#socket.addEventListener("message", ({ data }) => {
      const frame = parseFrame(String(data))
      if (frame !== null) this.#listener?.frame(frame)
    })
    this.#socket.addEventListener("close", ({ code, reason }) => {
      const told = this.#listener
      this.#listener = null
      told?.closed(code, reason)
    })
    // Says no more than the close event that follows; unheard, `ws` would throw it.
    this.#socket.addEventListener("error", () => {})
  }

  send(frame: ClientFrame): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(JSON.stringify(frame))
  }

  close(): void {
    this.#listener = null
    this.#socket.close(1000)
  }
}
