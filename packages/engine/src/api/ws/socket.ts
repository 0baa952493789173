import { closeCodes, limits } from "@grizz/protocol/constants"
import type { WebSocket } from "ws"
import type { Following } from "../../ports.ts"
import type { Connection } from "./connection.ts"

/** Bytes that may wait in a socket before its reader pauses. */
const highWaterBytes = 64 * 1024

/** How often a full socket is asked whether it has drained, in ms. */
const drainCheckMs = 20

/** One connection's writing side: it minds the reader's pace, and ends a reader that stopped reading. */
export class Socket {
  readonly #socket: WebSocket
  #following: Following | null = null
  #fullSinceMs: number | null = null
  /** Set once the client has signed in. */
  connection: Connection | null = null
  /** A pong, or anything else, came since the last heartbeat. */
  isAlive = true

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  /** The reader to wake when this socket has room again. */
  set following(following: Following) {
    this.#following = following
    if (!this.isOpen) following.stop()
  }

  /** False: full; the reader is resumed when it has drained. */
  write(frame: string): boolean {
    if (!this.isOpen) return true
    this.#socket.send(frame)
    if (this.#socket.bufferedAmount < highWaterBytes) return true
    if (this.#fullSinceMs === null) this.#awaitDrain(performance.now())
    return false
  }

  close(code: number, reason: string): void {
    this.#following?.stop()
    this.#socket.close(code, reason)
  }

  /** Not closed, and not being closed. */
  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  /** A reply is under way that its reader follows. */
  get isBusy(): boolean {
    return this.connection?.session.isReplyRunning === true
  }

  /** To be called at every heartbeat: pings, or ends a peer that answered nothing since the last one. */
  beat(): void {
    // What a paused socket was answered is not read.
    if (this.#socket.isPaused) return
    if (!this.isAlive) return this.#socket.terminate()
    this.isAlive = false
    this.#socket.ping()
  }

  #awaitDrain(sinceMs: number): void {
    this.#fullSinceMs = sinceMs
    const timer = setInterval(() => {
      const isDrained = this.#socket.bufferedAmount < highWaterBytes
      if (this.isOpen && !isDrained && performance.now() - sinceMs < limits.drainTimeoutMs) return
      clearInterval(timer)
      this.#fullSinceMs = null
      if (this.isOpen && isDrained) this.#following?.resume()
      else if (this.isOpen) this.endSlowReader()
    }, drainCheckMs)
  }

  /** A close frame would wait behind what the reader does not read, so the connection goes soon after. */
  endSlowReader(): void {
    this.close(closeCodes.tooSlow, "too slow")
    setTimeout(() => this.#socket.terminate(), 1000).unref()
  }
}
