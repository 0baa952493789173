import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"
import { setTimeout as delay } from "node:timers/promises"
import { closeCodes, type ErrorCode, limits, SUBPROTOCOL } from "@grizz/protocol/constants"
import { WebSocketServer } from "ws"
import { isOriginAllowed } from "../origin.ts"
import { ChatError } from "../../core/errors.ts"
import type { Logger } from "../../core/logger.ts"
import { isLoopbackHost } from "../../core/loopback.ts"
import { redactUrl } from "../../core/redact.ts"
import type { ChatService } from "../../services/chat-service.ts"
import type { ConversationReader } from "../../services/conversation-reader.ts"
import type { ConversationService } from "../../services/conversation-service.ts"
import { authenticate, type Credentials, type Door, parseId } from "../authenticate.ts"
import type { ConnectionLimit } from "../connection-limit.ts"
import type { SessionExpiry } from "../session.ts"
import { PlainConnection } from "./plain-connection.ts"
import { Socket } from "./socket.ts"
import { TypedConnection } from "./typed-connection.ts"

export interface SocketServerOptions extends Door {
  logger: Logger
  conversations: ConversationService
  chat: ChatService
  reader: ConversationReader
  expiry: SessionExpiry
  connectionLimit: ConnectionLimit
  allowedOrigins: readonly string[]
  /** Refuse a `Host` that is not loopback (development sign-in). */
  loopbackOnly: boolean
  newId: () => string
}

const path = /^\/ws\/chat\/([^/]+)$/

/** Over how long a shutdown spreads the close of idle sockets, and in what steps, in ms. */
const drainSpreadMs = 1000
const drainTickMs = 50

/** How long a client may take to answer the close of a shutdown. */
const closeTimeoutMs = 1000

/** Close code of a connection that cannot be served now: try again later. */
const unavailable = 1013
const internalError = 1011

/** The WebSocket side: upgrades, signs in, and joins each socket to its conversation. */
export class SocketServer {
  readonly #options: SocketServerOptions
  readonly #server: WebSocketServer
  readonly #sockets = new Set<Socket>()
  readonly #heartbeat: NodeJS.Timeout
  #isClosing = false
  #draining: NodeJS.Timeout | undefined
  #closesPerTick = Number.POSITIVE_INFINITY

  constructor(options: SocketServerOptions) {
    this.#options = options
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: limits.frameMaxBytes,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    })
    // One timer for all sockets.
    this.#heartbeat = setInterval(() => {
      for (const socket of this.#sockets) socket.beat()
    }, limits.pingIntervalMs)
    this.#heartbeat.unref()
  }

  attach(server: Server): void {
    server.on("upgrade", (request, stream, head) => this.#upgrade(request, stream, head))
  }

  /** Takes no more sockets, and closes those that are open: idle ones within a second, the others at their reply's end. */
  drain(): void {
    this.#isClosing = true
    // Spread, so that their clients do not come back to another node all at once.
    this.#closesPerTick = Math.ceil(this.#sockets.size / (drainSpreadMs / drainTickMs))
    this.#draining = setInterval(() => this.#closeSome((socket) => !socket.isBusy), drainTickMs)
  }

  /** Closes every socket, since no reply runs here any more; those that do not answer are cut. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#heartbeat)
    clearInterval(this.#draining)
    for (const socket of this.#sockets) socket.interrupt()
    while (this.#closeSome(() => true)) await delay(drainTickMs)
    const closed = [...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.whenClosed(resolve)))
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate()
    }, closeTimeoutMs)
    await Promise.all(closed)
    clearTimeout(cut)
  }

  /** Closes as many as one tick may; true when there are more of them. */
  #closeSome(isWanted: (socket: Socket) => boolean): boolean {
    let left = this.#closesPerTick
    for (const socket of this.#sockets) {
      if (!socket.isOpen || !isWanted(socket)) continue
      if (left === 0) return true
      left -= 1
      socket.close(closeCodes.restarting, "restarting")
    }
    return false
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on("error", destroyStream)
    const url = URL.parse(request.url ?? "", "http://engine")
    const { origin, host = "" } = request.headers
    const { allowedOrigins, loopbackOnly } = this.#options
    if (this.#isClosing) return refuseUpgrade(stream, "503 Service Unavailable")
    if (url === null || !path.test(url.pathname)) return refuseUpgrade(stream, "404 Not Found")
    if (loopbackOnly && !isLoopbackHost(host)) return refuseUpgrade(stream, "403 Forbidden")
    if (!isOriginAllowed({ origin, host, allowedOrigins })) return refuseUpgrade(stream, "403 Forbidden")
    this.#server.handleUpgrade(request, stream, head, (ws) => void this.#open(new Socket(ws, stream), request, url))
  }

  /** Never rejects: whatever goes wrong is said to the client by a close code. */
  async #open(socket: Socket, request: IncomingMessage, url: URL): Promise<void> {
    this.#sockets.add(socket)
    socket.whenClosed(() => this.#sockets.delete(socket))
    try {
      await this.#join(socket, request, url)
      socket.resume()
    } catch (error) {
      const { code, reason } = closeOf(error)
      if (code === internalError) this.#options.logger.error({ err: error }, "connection failed unexpectedly")
      const { logger } = this.#options
      logger.info({ url: redactUrl(request.url ?? ""), close_code: code, reason }, "connection refused")
      socket.resume()
      socket.close(code, reason)
    }
  }

  async #join(socket: Socket, request: IncomingMessage, url: URL): Promise<void> {
    if (!socket.isTyped && request.headers["sec-websocket-protocol"] !== undefined) {
      throw new ChatError("invalid_request", `the subprotocol must be ${SUBPROTOCOL}, or none`)
    }
    const { verifier, conversations, reader, chat, expiry, connectionLimit, newId, logger } = this.#options
    const user = await authenticate(credentials(request, url), this.#options)
    const { userId } = user
    socket.whenClosed(connectionLimit.take(userId))
    const name = path.exec(url.pathname)![1]!
    const conversationId =
      name === "today"
        ? (await conversations.today(userId, url.searchParams.get("tz") ?? "UTC")).id
        : parseId(name, "conversation")
    const session = expiry.open(user, conversationId)
    const onUnexpected = (error: unknown) =>
      logger.error({ err: error, conversation_id: conversationId }, "frame failed")
    const options = { session, socket, chat, verifier, newId, onUnexpected }
    const connection = new (socket.isTyped ? TypedConnection : PlainConnection)(options)
    socket.handler = connection
    socket.following = await reader.follow(userId, conversationId, url.searchParams.get("after"), connection)
    socket.whenClosed(expiry.watch(connection))
  }
}

/** No closure: one that lives as long as its socket would keep the request, with all its headers. */
function destroyStream(this: Duplex): void {
  this.destroy()
}

function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

function credentials({ headers: { authorization } }: IncomingMessage, { searchParams }: URL): Credentials {
  return { authorization, ticket: searchParams.get("ticket"), token: searchParams.get("token") }
}

const closeCodeOf: Partial<Record<ErrorCode, number>> = {
  invalid_request: closeCodes.badRequest,
  unauthenticated: closeCodes.unauthenticated,
  not_found: closeCodes.notFound,
  rate_limited: closeCodes.tooMany,
  unavailable,
}

function closeOf(error: unknown): { code: number; reason: string } {
  const code = error instanceof ChatError ? closeCodeOf[error.code] : undefined
  if (!(error instanceof ChatError) || code === undefined) return { code: internalError, reason: "internal error" }
  // A close reason holds 123 bytes.
  return { code, reason: error.message.slice(0, 100) }
}
