import { once } from "node:events"
import { type ServerFrame, serverFrame } from "@grizz/protocol"
import { type ClientOptions, WebSocket } from "ws"

type FrameOf<Type extends ServerFrame["type"]> = Extract<ServerFrame, { type: Type }>

/** A WebSocket client that keeps every frame, and waits for one. Every typed frame is checked against the protocol. */
export class Wire {
  readonly socket: WebSocket
  /** Every text frame so far. */
  readonly texts: string[] = []
  readonly frames: ServerFrame[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #next = 0
  #wake = Promise.withResolvers<void>()

  private constructor(url: string, protocol?: string, options: ClientOptions = {}) {
    this.socket = protocol === undefined ? new WebSocket(url, options) : new WebSocket(url, protocol, options)
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() })
        this.#wake.resolve()
      })
    })
    this.socket.on("message", (data: Buffer) => {
      this.texts.push(data.toString())
      if (protocol !== undefined) this.frames.push(serverFrame.parse(JSON.parse(data.toString())))
      this.#wake.resolve()
    })
  }

  /** Resolves when the upgrade is done; what the server says next may already be a close. */
  static async open(url: string, protocol?: string, options?: ClientOptions): Promise<Wire> {
    const wire = new Wire(url, protocol, options)
    await once(wire.socket, "open")
    return wire
  }

  /** Status of an upgrade that is refused. */
  static async refusal(url: string, options: ClientOptions): Promise<number> {
    const { socket } = new Wire(url, undefined, options)
    const [, response] = await once(socket, "unexpected-response")
    socket.on("error", () => undefined)
    socket.terminate()
    return response.statusCode
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame))
  }

  say(id: string, content: string): void {
    this.send({ type: "message.send", id, content })
  }

  /** The next frame of this type; those before it are passed over. */
  async next<Type extends ServerFrame["type"]>(type: Type): Promise<FrameOf<Type>> {
    for (;;) {
      while (this.#next < this.frames.length) {
        const frame = this.frames[this.#next++]!
        if (frame.type === type) return frame as FrameOf<Type>
      }
      await this.#more()
    }
  }

  /** The newest answer to a send: its acknowledgement, or an error about it. Call it right after sending. */
  async answer(id: string): Promise<FrameOf<"message.added" | "message.accepted" | "error">> {
    const from = this.frames.length
    for (;;) {
      for (const frame of this.frames.slice(from)) {
        if (frame.type === "error" && frame.ref === id) return frame
        if (frame.type === "message.added" && frame.message.id === id) return frame
        if (frame.type === "message.accepted" && frame.message_id === id) return frame
      }
      await this.#more()
    }
  }

  /** Waits until the text frames, joined, satisfy a condition. */
  async until(isEnough: (text: string) => boolean): Promise<string> {
    while (!isEnough(this.texts.join(""))) await this.#more()
    return this.texts.join("")
  }

  close(): void {
    this.socket.close()
  }

  async #more(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) throw new Error(`closed; frames so far: ${this.texts.join("\n")}`)
    await this.#wake.promise
    this.#wake = Promise.withResolvers()
  }
}

/** Puts a reply's text together from its frames, as a client does. */
export function foldText(frames: readonly ServerFrame[], replyId: string): string {
  let text = ""
  for (const frame of frames) {
    if (frame.type === "ready" && frame.reply?.reply_id === replyId) text = frame.reply.text
    if (frame.type === "reply.delta" && frame.reply_id === replyId) text += frame.text
    if (frame.type === "reply.restarted" && frame.reply_id === replyId) text = ""
  }
  return text
}
