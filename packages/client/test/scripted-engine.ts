import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { ServerFrame } from "@grizz/protocol"
import { SUBPROTOCOL } from "@grizz/protocol/constants"
import { type WebSocket, WebSocketServer } from "ws"
import { conversation, ModelEngine } from "./model-engine.ts"

/** One opened socket, as the test that plays the engine sees it. */
export interface EngineSocket {
  readonly query: URLSearchParams
  readonly socket: WebSocket
  say(...frames: ServerFrame[]): void
  /** `ready`: a resume where one was asked for, else a snapshot. */
  greet(): void
}

export interface Script {
  opened?: (socket: EngineSocket) => void
  frame?: (socket: EngineSocket, frame: Record<string, string>) => void
  /** Awaited between reading a page of history and giving it. */
  paged?: () => Promise<void>
  /** The bearer token of a REST call is good. */
  accepts?: (token: string) => boolean
}

/** An engine on loopback whose answers a test scripts; without a script it behaves like the model. */
export class ScriptedEngine {
  readonly model = new ModelEngine()
  readonly opened: EngineSocket[] = []
  readonly requests: string[] = []
  /** Tokens that tickets were given for. */
  readonly tickets: string[] = []
  script: Script = {}
  readonly #http = createServer((request, response) => this.#answer(request, response))
  readonly #sockets = new WebSocketServer({ server: this.#http, handleProtocols: () => SUBPROTOCOL })

  static async start(): Promise<ScriptedEngine> {
    const engine = new ScriptedEngine()
    engine.#sockets.on("connection", (socket, request) => engine.#greet(socket, request))
    engine.#http.listen(0, "127.0.0.1")
    await once(engine.#http, "listening")
    return engine
  }

  get url(): string {
    const address = this.#http.address()
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`
  }

  /** To every socket that is open: what the model has logged since the cursor. */
  tell(after: string): void {
    for (const one of this.opened) if (one.socket.readyState === 1) one.say(...this.model.events(after, false))
  }

  async stop(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate()
    this.#http.close()
    await once(this.#http, "close")
  }

  #greet(socket: WebSocket, request: IncomingMessage): void {
    const { searchParams } = new URL(request.url ?? "", this.url)
    const one: EngineSocket = {
      query: searchParams,
      socket,
      say: (...frames) => {
        for (const frame of frames) socket.send(JSON.stringify(frame))
      },
      greet: () => {
        const after = searchParams.get("after")
        if (after === null) one.say(this.model.snapshot(50))
        else one.say(this.model.resumed(after), ...this.model.events(after, true))
      },
    }
    this.opened.push(one)
    socket.on("message", (data: Buffer) => this.#hear(one, JSON.parse(data.toString())))
    const greet = this.script.opened ?? (() => one.greet())
    greet(one)
  }

  #hear(one: EngineSocket, frame: Record<string, string>): void {
    if (this.script.frame !== undefined) this.script.frame(one, frame)
    else if (frame["type"] === "ping") one.say({ type: "pong" })
    else if (frame["type"] === "message.send") this.accept(one, frame)
    else if (frame["type"] === "reply.retry") {
      const from = this.model.cursor()
      const ref = frame["reply_id"] ?? null
      if (this.model.retry(ref ?? "")) this.tell(from)
      else one.say({ type: "error", code: "conflict", message: "It is not the newest reply.", ref })
    } else if (frame["type"] === "reply.stop") {
      const from = this.model.cursor()
      this.model.end("stopped")
      this.tell(from)
    }
  }

  accept(one: EngineSocket, frame: Record<string, string>): void {
    const from = this.model.cursor()
    const repeat = this.model.send(frame["id"] ?? "", frame["content"] ?? "")
    if (repeat !== null) one.say(repeat)
    this.tell(from)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${request.method} ${request.url}`)
    const token = request.headers.authorization?.replace("Bearer ", "") ?? ""
    const { pathname, searchParams } = new URL(request.url ?? "", this.url)
    if (this.script.accepts?.(token) === false) {
      const problem = { type: "about:blank", title: "", status: 401, detail: "Expired.", code: "unauthenticated" }
      response.writeHead(401, { "content-type": "application/problem+json" }).end(JSON.stringify(problem))
    } else if (pathname === "/ws/tickets") {
      this.tickets.push(token)
      response.writeHead(201).end(JSON.stringify({ ticket: token, expires_at: conversation.created_at }))
    } else if (pathname.endsWith("/messages")) {
      const before = Number(searchParams.get("before") ?? Number.POSITIVE_INFINITY)
      const older = this.model.history().filter((message) => message.position < before)
      const data = older.slice(-Number(searchParams.get("limit") ?? 50))
      const next_cursor = data.length < older.length ? String(data[0]?.position) : null
      const give = () => response.end(JSON.stringify({ data, next_cursor }))
      void (this.script.paged?.() ?? Promise.resolve()).then(give)
    } else response.end(JSON.stringify(conversation))
  }
}
