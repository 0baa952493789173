/** Whether a conversation is followed over a WebSocket or over server-sent events; learned for all of one client. */
export class TransportChoice {
  readonly #hasWebSocket: boolean
  #socketsWork = false
  /** A stream opened where no socket ever had. */
  #socketsAreBlocked = false

  constructor(hasWebSocket: boolean) {
    this.#hasWebSocket = hasWebSocket
  }

  /**
   * What to try after so many attempts in a row that failed. The two take turns, so that neither a blocked way nor a wrong guess
   * holds anyone up; where sockets have worked, the engine is more likely to be away than they to be blocked.
   */
  next(failed: number): "websocket" | "sse" {
    if (!this.#hasWebSocket) return "sse"
    const known = this.#socketsWork ? 4 : 1
    const first = this.#socketsAreBlocked ? 0 : known
    return failed >= first && (failed - first) % 2 === 0 ? "sse" : "websocket"
  }

  opened(via: "websocket" | "sse"): void {
    if (via === "websocket") this.#socketsWork = true
    this.#socketsAreBlocked = via === "sse" && !this.#socketsWork
  }

  /** The device may be on another network now. */
  retryBest(): void {
    this.#socketsAreBlocked = false
  }
}
