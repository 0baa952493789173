import { closeCodes, limits, SUBPROTOCOL } from "@grizz/protocol/constants"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import type { Following } from "../../live-ports.ts"
import type { Session } from "../session.ts"
import { textFrame } from "./text-frame.ts"

/** Bytes that may wait in a socket before its reader pauses. */
const highWaterBytes = 64 * 1024

/** How often a full socket is asked whether it has drained, in ms. */
const drainCheckMs = 20

/** Frames of one socket that may be under way; what it sends beyond them waits in its connection. */
const pendingFramesMax = 32

/** How long a peer may take to answer a close, in ms. */
const closeTimeoutMs = 1000

/** What a socket's frames mean. */
export interface FrameHandler {
  readonly session: Session
  /** One text frame of the client. Resolves when it has been dealt with; never rejects. */
  receive(text: string): Promise<void>
  /** A frame that is not text. */
  refuseBinary(): void
  /** The node shuts down, and what the client waits for goes on elsewhere. */
  interrupt(): void
}

/**
 * One client's socket: takes its frames in turn, minds its pace, and ends it when it stopped reading. Everything that is
 * kept for an idle client is here: a few listeners that see nothing but this, and no part of its request.
 */
export class Socket {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  #handler: FrameHandler | null = null
  #following: Following | null = null
  #isFull = false
  #pending = 0
  /** A pong, or anything else, came since the last heartbeat. */
  #isAlive = true
  #onClosed: (() => void)[] = []

  /** @param stream what the socket was upgraded from */
  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket
    this.#stream = stream
    // ws itself says why it closes (1009, 1007); cutting at once would lose that.
    socket.on("error", () => this.#cutLater(closeTimeoutMs))
    socket.on("close", () => this.#closed())
    socket.on("pong", () => (this.#isAlive = true))
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary))
    // Nothing is read before the client is known; what it sends meanwhile waits in the connection.
    socket.pause()
  }

  get isTyped(): boolean {
    return this.#socket.protocol === SUBPROTOCOL
  }

  /** Runs the task when the socket has closed; at once when it has. */
  whenClosed(task: () => void): void {
    if (this.#socket.readyState === this.#socket.CLOSED) task()
    else this.#onClosed.push(task)
  }

  /** Set once the client has signed in. */
  set handler(handler: FrameHandler) {
    this.#handler = handler
  }

  /** The reader to wake when this socket has room again. */
  set following(following: Following) {
    this.#following = following
    if (!this.isOpen) following.stop()
  }

  /** Reads from now on. */
  resume(): void {
    this.#socket.resume()
  }

  /** False: full; the reader is resumed when it has drained. */
  write(frame: string): boolean {
    if (!this.isOpen) return true
    // Past ws, which writes a head and a body: without compression it holds nothing back, so that the order is kept.
    this.#stream.write(textFrame(frame), "latin1")
    if (this.#stream.writableLength < highWaterBytes) return true
    if (!this.#isFull) this.#awaitDrain(performance.now())
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
    return this.#handler?.session.isReplyRunning === true
  }

  /** To be called at every heartbeat: pings, or ends a peer that answered nothing since the last one. */
  beat(): void {
    // What a paused socket was answered is not read.
    if (this.#socket.isPaused) return
    if (!this.#isAlive) return this.#socket.terminate()
    this.#isAlive = false
    this.#socket.ping()
  }

  /** The node shuts down, and what the client waits for goes on elsewhere. */
  interrupt(): void {
    this.#handler?.interrupt()
  }

  terminate(): void {
    this.#socket.terminate()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#isAlive = true
    const handler = this.#handler
    if (handler === null) return
    if (isBinary) return handler.refuseBinary()
    this.#pending += 1
    if (this.#pending === pendingFramesMax) this.#socket.pause()
    void handler.receive(data.toString()).finally(() => {
      this.#pending -= 1
      if (this.#pending === pendingFramesMax - 1) this.#socket.resume()
    })
  }

  #closed(): void {
    this.#following?.stop()
    for (const task of this.#onClosed.splice(0)) task()
  }

  #cutLater(afterMs: number): void {
    setTimeout(() => this.#socket.terminate(), afterMs).unref()
  }

  #awaitDrain(sinceMs: number): void {
    this.#isFull = true
    const timer = setInterval(() => {
      const isDrained = this.#stream.writableLength < highWaterBytes
      if (this.isOpen && !isDrained && performance.now() - sinceMs < limits.drainTimeoutMs) return
      clearInterval(timer)
      this.#isFull = false
      if (this.isOpen && isDrained) this.#following?.resume()
      else if (this.isOpen) this.endSlowReader()
    }, drainCheckMs)
  }

  /** The close frame waits behind what was not read: whoever reads on within the patience hears why, else it is cut. */
  endSlowReader(): void {
    this.close(closeCodes.tooSlow, "too slow")
    this.#cutLater(limits.drainTimeoutMs)
  }
}
