import { type ClientFrame, type ServerFrame, serverFrame } from "@grizz/protocol"
import { WebSocket } from "ws"
import { DeviceView, type ViewEvents } from "./device-view.ts"

export interface DeviceOptions {
  name: string
  conversationId: string
  token: string
  events: ViewEvents
}

/** Closes that a client must expect while nodes come and go. */
const expectedCloses = new Set([1000, 1005, 1006, 1012, 1013, 4408])
const handshakeTimeoutMs = 4000

/** One device of a user: a view that outlives its sockets. */
export class Device {
  readonly name: string
  readonly conversationId: string
  readonly view: DeviceView
  readonly #options: DeviceOptions
  #socket: WebSocket | null = null
  #isReady = false

  constructor(options: DeviceOptions) {
    this.#options = options
    this.name = options.name
    this.conversationId = options.conversationId
    this.view = new DeviceView(options.name, options.events)
  }

  get isOffline(): boolean {
    return this.#socket === null
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Connects to a node with the cursor that it has. */
  connect(nodeUrl: string): void {
    const { events, token, conversationId } = this.#options
    const after = this.view.cursor === null ? "" : `&after=${encodeURIComponent(this.view.cursor)}`
    const url = `${nodeUrl.replace("http", "ws")}/ws/chat/${conversationId}?token=${token}${after}`
    const socket = new WebSocket(url, "grizz.v1", { handshakeTimeout: handshakeTimeoutMs })
    this.#socket = socket
    events.count("connections tried")
    socket.on("unexpected-response", (_, { statusCode }) => {
      if (statusCode !== 503) events.violate("refused", `${this.name}: the upgrade was answered with ${statusCode}`)
      socket.terminate()
    })
    // The close that follows says the rest.
    socket.on("error", () => undefined)
    socket.on("close", (code, reason) => this.#closed(socket, code, reason.toString()))
    socket.on("message", (data: Buffer) => {
      if (this.#socket === socket) this.#read(data.toString())
    })
  }

  /** False when there is no connection to send it on. */
  send(frame: ClientFrame): boolean {
    if (!this.#isReady || this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  drop(how: "close" | "terminate"): void {
    const socket = this.#socket
    if (socket === null) return
    this.#forget()
    if (how === "close") socket.close()
    // A paused socket would never hear the answer to its close.
    if (how === "terminate" || socket.isPaused) socket.terminate()
  }

  /** Reads nothing for a while. */
  pause(ms: number): void {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return
    socket.pause()
    setTimeout(() => socket.resume(), ms)
  }

  #read(text: string): void {
    const { events } = this.#options
    const parsed = serverFrame.safeParse(JSON.parse(text))
    if (!parsed.success) {
      events.violate("foreign", `${this.name}: a frame that the protocol does not know: ${text.slice(0, 200)}`)
      return
    }
    const frame = parsed.data
    if (frame.type === "ready") this.#isReady = true
    if (frame.type === "error") this.#refused(frame)
    else this.view.read(frame)
  }

  #refused({ code, message, ref }: Extract<ServerFrame, { type: "error" }>): void {
    const { events } = this.#options
    events.count(`frames refused: ${code}`)
    // A retry is refused while another device's retry, or a new message, came first.
    const isExpected = code === "unavailable" || (code === "conflict" && message.startsWith("Only the newest"))
    if (!isExpected) events.violate("refused", `${this.name}: ${code} about ${ref}: ${message}`)
  }

  #closed(socket: WebSocket, code: number, reason: string): void {
    const { events } = this.#options
    events.count(`closes: ${code}`)
    if (!expectedCloses.has(code)) events.violate("refused", `${this.name}: closed with ${code} ${reason}`)
    if (this.#socket === socket) this.#forget()
  }

  #forget(): void {
    this.#socket = null
    this.#isReady = false
  }
}
