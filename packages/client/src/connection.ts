import type { ClientFrame, ServerFrame } from "@grizz/protocol"
import { closeCodes } from "@grizz/protocol/constants"
import type { ConnectionRoom } from "./connection-room.ts"
import type { ConnectionState } from "./conversation-state.ts"
import { GrizzError, toGrizzError } from "./grizz-error.ts"
import { queryString } from "./http.ts"
import type { Link, LinkListener } from "./link.ts"
import { SocketLink } from "./socket-link.ts"
import { backoffMs } from "./timing.ts"
import { deviceIsOnline } from "./wake-signals.ts"

export interface ConnectionListener extends Pick<LinkListener, "frame" | "stored"> {
  state(state: ConnectionState): void
  /** A frame of ours was too big to be read. */
  tooBig(): void
}

export interface ConnectionOptions {
  room: ConnectionRoom
  /** Id of the conversation; asked before every attempt. @throws GrizzError */
  resolve: (signal: AbortSignal) => Promise<string>
  /** The last cursor heard, to resume from; null for a snapshot. */
  cursor: () => string | null
  listener: ConnectionListener
}

const finalErrors: Record<number, "not_found" | "invalid_request"> = {
  [closeCodes.notFound]: "not_found",
  [closeCodes.badRequest]: "invalid_request",
}

/** An attempt younger than this is left alone when the device wakes up, in ms. */
const freshMs = 2_000

/** One reconnecting line to a conversation: it connects, resumes and says how it stands, until it is closed or refused. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #room: ConnectionRoom
  #link: Link | null = null
  #via: "websocket" | "sse" = "websocket"
  #timer: ReturnType<typeof setTimeout> | undefined
  #tokenTimer: ReturnType<typeof setTimeout> | undefined
  #status: ConnectionState["status"] = "connecting"
  /** The present attempt; aborted when it is given up, and then whatever it still answers is ignored. */
  #attempt = new AbortController()
  /** Attempts in a row without any progress. */
  #failures = 0
  /** Attempts since it was open. */
  #tries = 0
  /** Between two attempts. */
  #isWaiting = false
  #isStarted = false
  #everOpen = false
  #triedAt = 0
  /** The engine refused the sign-in once, and has not said `ready` since. */
  #isRefused = false
  #token = ""
  #heardAt = 0
  #stopWakeSignals: () => void = () => {}

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#room = options.room
  }

  /** Connects at once: for the first time, again after it was given up, and instead of waiting for the next attempt. */
  start(): void {
    if (this.#isStarted) return this.#wake()
    this.#isStarted = true
    this.#stopWakeSignals = this.#room.wakeSignals.listen({ wake: () => this.#wake(), offline: () => this.#offline() })
    this.#failures = 0
    this.#isRefused = false
    this.#connect()
  }

  close(): void {
    this.#giveUp(null)
  }

  /** False when there is no open line: then say it again after the next `ready`. */
  send(frame: ClientFrame): boolean {
    if (this.#status !== "open" || this.#link === null) return false
    this.#link.send(frame)
    return true
  }

  /** Signs in with another token, because the engine refused this one, or is about to. What is sent next comes after. */
  async renewToken(): Promise<void> {
    clearTimeout(this.#tokenTimer)
    const link = this.#link
    if (link === null) return
    const token = await this.#room.credentials.renew(this.#token).catch(() => this.#token)
    if (link !== this.#link) return
    if (token === this.#token) {
      // The app's own session may be renewed a moment later.
      this.#tokenTimer = setTimeout(() => void this.renewToken(), this.#room.timing.tokenRetryMs)
      return
    }
    this.#token = token
    link.send({ type: "auth.refresh", token })
  }

  #connect(): void {
    this.#drop()
    this.#triedAt = Date.now()
    this.#report(this.#everOpen || this.#failures > 0 ? "reconnecting" : "connecting")
    this.#after(this.#room.timing.connectTimeoutMs, () => this.#lost(0))
    const { signal } = this.#attempt
    this.#open(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#failed(toGrizzError(error))
    })
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { room, cursor } = this.#options
    const id = await this.#options.resolve(signal)
    if (this.#isRefused) await room.credentials.renew(this.#token)
    this.#via = room.transports.next(this.#tries++)
    // A token in a URL would end up in the logs of whatever is between: a ticket is worth nothing there.
    const ticket = this.#via === "websocket" ? (await room.http.call("POST /ws/tickets", { signal })).ticket : null
    this.#token = room.credentials.token
    // Most never need the other way, and do not load it.
    const streams = ticket === null ? await import("./stream-link.ts") : null
    if (signal.aborted) return
    const listener = this.#linkListener()
    const after = cursor()
    if (streams !== null) this.#link = new streams.StreamLink(room.http, id, after, listener)
    else if (room.webSocket !== null) {
      const path = `/ws/chat/${encodeURIComponent(id)}${queryString({ ticket, after })}`
      this.#link = new SocketLink(room.webSocket, room.socketUrl + path, listener)
    }
    this.#after(room.timing.connectTimeoutMs, () => this.#lost(0))
  }

  #linkListener(): LinkListener {
    return {
      frame: (frame) => this.#receive(frame),
      alive: () => this.#beat(),
      stored: (stored) => this.#options.listener.stored(stored),
      closed: (code, reason) => this.#lost(code, reason),
    }
  }

  #receive(frame: ServerFrame): void {
    const { listener, room } = this.#options
    if (frame.type === "ready") {
      this.#everOpen = true
      this.#isRefused = false
      this.#tries = 0
      this.#status = "open"
      this.#token = room.credentials.token
      room.transports.opened(this.#via)
    } else {
      // Progress, not the mere opening, ends a row of failures: an engine that dies right after `ready` is spared.
      this.#failures = 0
    }
    this.#beat()
    if (frame.type === "auth.expiring") void this.renewToken()
    listener.frame(frame)
    if (frame.type === "ready") this.#report("open")
  }

  /** Pings when nothing was heard for a while, and counts the line as dead when nothing answers. */
  #beat(): void {
    if (this.#status !== "open" || this.#link === null) return
    const { heartbeatMs, streamSilenceMs } = this.#room.timing
    this.#heardAt = Date.now()
    if (this.#link.isPingable) this.#after(heartbeatMs, () => this.#probe())
    else this.#after(streamSilenceMs, () => this.#lost(0))
  }

  #probe(): void {
    this.send({ type: "ping" })
    this.#after(this.#room.timing.silenceMs, () => this.#lost(0))
  }

  #wake(): void {
    this.#room.transports.retryBest()
    if (this.#status !== "open") {
      // What was begun on another network, or before a sleep, may hang.
      if (this.#isWaiting || Date.now() - this.#triedAt > freshMs) this.#connect()
    } else if (this.#link?.isPingable === true) this.#probe()
    // A stream cannot be asked whether it lives; a new one costs little, and resumes.
    else if (Date.now() - this.#heardAt > this.#room.timing.heartbeatMs) this.#connect()
  }

  #offline(): void {
    // An open line may well live on (loopback, a VPN): its heartbeat decides.
    if (this.#status === "reconnecting" || this.#status === "connecting") this.#report("offline")
  }

  #failed(error: GrizzError): void {
    const isFinal = ["unauthenticated", "not_found", "invalid_request"].includes(error.code)
    if (isFinal) this.#giveUp(error)
    else this.#retry(this.#backoffMs())
  }

  #lost(code: number, reason = ""): void {
    this.#drop()
    // The engine's own word came through: whatever the matter is, it is not the way.
    if (code > 1006) this.#tries = 0
    const final = finalErrors[code]
    if (final !== undefined) return this.#giveUp(new GrizzError(final, reason || "Refused.", { status: code }))
    if (code === closeCodes.unauthenticated) {
      // Once more with another token; when that is refused as well, the app has to sign the user in.
      if (this.#isRefused) {
        return this.#giveUp(new GrizzError("unauthenticated", reason || "The sign-in was refused.", { status: code }))
      }
      this.#isRefused = true
      return this.#connect()
    }
    if (code === closeCodes.tooBig) this.#options.listener.tooBig()
    const isAtOnce = (code === closeCodes.restarting || code === closeCodes.tooSlow) && this.#failures === 0
    this.#retry(isAtOnce ? 0 : this.#backoffMs())
  }

  #retry(waitMs: number): void {
    this.#drop()
    this.#failures++
    this.#isWaiting = true
    this.#report("reconnecting")
    this.#after(waitMs, () => this.#connect())
  }

  #giveUp(error: GrizzError | null): void {
    this.#isStarted = false
    this.#stopWakeSignals()
    this.#drop()
    this.#report("closed", error)
  }

  /** Lets go of the line at once: a half-open socket would take minutes to say that it is closed. */
  #drop(): void {
    this.#attempt.abort()
    this.#attempt = new AbortController()
    this.#isWaiting = false
    clearTimeout(this.#timer)
    clearTimeout(this.#tokenTimer)
    const link = this.#link
    this.#link = null
    link?.close()
  }

  #report(status: ConnectionState["status"], error: GrizzError | null = null): void {
    const isWaiting = status === "connecting" || status === "reconnecting"
    this.#status = isWaiting && !deviceIsOnline() ? "offline" : status
    const via = status === "open" ? this.#via : null
    this.#options.listener.state({ status: this.#status, via, error })
  }

  #backoffMs(): number {
    return backoffMs(this.#failures, this.#room.timing, this.#room.random)
  }

  #after(waitMs: number, action: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(action, waitMs)
  }
}
