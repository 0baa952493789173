import type { ClientFrame, ServerFrame } from "@grizz/protocol"
import { closeCodes, SUBPROTOCOL } from "@grizz/protocol/constants"
import type { ConnectionState } from "./conversation-state.ts"
import { GrizzError, toGrizzError } from "./grizz-error.ts"
import { backoffMs, type Timing } from "./timing.ts"
import type { TokenProvider } from "./token-provider.ts"
import { deviceIsOnline, onWakeSignals } from "./wake-signals.ts"

/** The part of the standard WebSocket that the SDK uses; `ws` fits too. */
export interface WebSocketLike {
  readonly readyState: number
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void
  addEventListener(type: "error", listener: () => void): void
  send(text: string): void
  close(code?: number): void
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

export interface ConnectionOptions {
  /** Where to connect, without credentials. Asked before every attempt. @throws GrizzError */
  address: () => Promise<URL>
  /** The last cursor heard, to resume from; null for a snapshot. */
  cursor: () => string | null
  token: TokenProvider
  webSocket: WebSocketConstructor
  timing: Timing
  /** From 0 to below 1. */
  random: () => number
  onFrame: (frame: ServerFrame) => void
  onState: (state: ConnectionState) => void
}

const OPEN = 1

/** One reconnecting socket of `grizz.v1`: it connects, resumes and says how it stands, until it is closed or refused. */
export class Connection {
  readonly #options: ConnectionOptions
  #socket: WebSocketLike | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #status: ConnectionState["status"] = "connecting"
  /** Names the current attempt, so that what a former one still answers is ignored. */
  #generation = 0
  /** Attempts in a row without any progress. */
  #failures = 0
  #everOpen = false
  #token: string | null = null
  #refusedToken: string | undefined
  #stopWakeSignals: () => void = () => {}

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Connects; again after it was given up. */
  start(): void {
    this.#stopWakeSignals()
    this.#stopWakeSignals = onWakeSignals({ wake: () => this.#wake(), offline: () => this.#offline() })
    this.#failures = 0
    this.#refusedToken = undefined
    this.#connect()
  }

  close(): void {
    this.#giveUp(null)
  }

  /** False when there is no open socket: then say it again after the next `ready`. */
  send(frame: ClientFrame): boolean {
    if (this.#status !== "open" || this.#socket?.readyState !== OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  /** Connects anew with a new token, because the engine refused this one. */
  renewToken(): void {
    if (this.#status === "open") this.#lost(closeCodes.unauthenticated, "")
  }

  #connect(): void {
    this.#drop()
    const generation = this.#generation
    this.#report(this.#everOpen || this.#failures > 0 ? "reconnecting" : "connecting")
    this.#after(this.#options.timing.connectTimeoutMs, () => this.#lost(0, "no answer"))
    const current = () => generation === this.#generation
    this.#prepare().then(
      (url) => (current() ? this.#open(url) : undefined),
      (error: unknown) => (current() ? this.#failed(toGrizzError(error)) : undefined),
    )
  }

  async #prepare(): Promise<URL> {
    const url = await this.#options.address()
    this.#token = await this.#options.token(this.#refusedToken)
    url.searchParams.set("token", this.#token)
    const cursor = this.#options.cursor()
    if (cursor !== null) url.searchParams.set("after", cursor)
    return url
  }

  #open(url: URL): void {
    const socket = new this.#options.webSocket(url.href, [SUBPROTOCOL])
    this.#socket = socket
    this.#after(this.#options.timing.connectTimeoutMs, () => this.#lost(0, "no answer"))
    socket.addEventListener("message", ({ data }) => {
      const frame = socket === this.#socket ? parseFrame(data) : null
      if (frame !== null) this.#receive(frame)
    })
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket === this.#socket) this.#lost(code, reason)
    })
    // Says no more than the close event that follows; unheard, `ws` would throw it.
    socket.addEventListener("error", () => {})
  }

  #receive(frame: ServerFrame): void {
    if (frame.type === "ready") {
      this.#everOpen = true
      this.#refusedToken = undefined
      this.#status = "open"
    } else {
      // Progress, not the mere opening, ends a row of failures: an engine that dies right after `ready` is spared.
      this.#failures = 0
    }
    this.#beat()
    this.#options.onFrame(frame)
    if (frame.type === "ready") this.#report("open")
  }

  /** Pings when nothing was heard for a while, and counts the socket as dead when nothing answers. */
  #beat(): void {
    this.#after(this.#options.timing.heartbeatMs, () => this.#probe())
  }

  #probe(): void {
    this.send({ type: "ping" })
    this.#after(this.#options.timing.silenceMs, () => this.#lost(0, "silence"))
  }

  #wake(): void {
    if (this.#status === "open") this.#probe()
    else if (this.#socket === null && this.#status !== "closed") this.#connect()
  }

  #offline(): void {
    // An open socket may well live on (loopback, a VPN): its heartbeat decides.
    if (this.#status === "reconnecting" || this.#status === "connecting") this.#report("offline")
  }

  #failed(error: GrizzError): void {
    const final = ["unauthenticated", "not_found", "invalid_request"]
    if (final.includes(error.code)) this.#giveUp(error)
    else this.#retry(backoffMs(this.#failures, this.#options.timing, this.#options.random))
  }

  #lost(code: number, reason: string): void {
    this.#drop()
    if (code === closeCodes.notFound) {
      this.#giveUp(new GrizzError("not_found", reason || "There is no such conversation.", { status: code }))
    } else if (code === closeCodes.badRequest) {
      this.#giveUp(new GrizzError("invalid_request", reason || "The engine refused the connection.", { status: code }))
    } else if (code === closeCodes.unauthenticated) {
      if (this.#refusedToken !== undefined || this.#token === null) {
        this.#giveUp(new GrizzError("unauthenticated", reason || "The sign-in was refused.", { status: code }))
      } else {
        this.#refusedToken = this.#token
        this.#connect()
      }
    } else {
      const atOnce = code === closeCodes.restarting && this.#failures === 0
      this.#retry(atOnce ? 0 : backoffMs(this.#failures, this.#options.timing, this.#options.random))
    }
  }

  #retry(waitMs: number): void {
    this.#failures++
    this.#report("reconnecting")
    this.#after(waitMs, () => this.#connect())
  }

  #giveUp(error: GrizzError | null): void {
    this.#stopWakeSignals()
    this.#drop()
    this.#report("closed", error)
  }

  /** Lets go of the socket at once: a half-open one would take minutes to say that it is closed. */
  #drop(): void {
    this.#generation++
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = null
    socket?.close(1000)
  }

  #report(status: ConnectionState["status"], error: GrizzError | null = null): void {
    const waiting = status === "connecting" || status === "reconnecting"
    this.#status = waiting && !deviceIsOnline() ? "offline" : status
    this.#options.onState({ status: this.#status, error })
  }

  #after(waitMs: number, action: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, waitMs)
  }
}

/** Null for what is no frame; frames of a newer engine pass, and are ignored by the state. */
function parseFrame(data: unknown): ServerFrame | null {
  try {
    const frame: unknown = JSON.parse(String(data))
    return isFrame(frame) ? frame : null
  } catch {
    return null
  }
}

function isFrame(value: unknown): value is ServerFrame {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string"
}
