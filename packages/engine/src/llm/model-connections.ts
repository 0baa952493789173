import type { Socket } from "node:net"
import { buildConnector } from "undici"
import type { FloodBrake } from "./flood-brake.ts"
import { ModelConnection, type SharedReads } from "./model-connection.ts"
import type { ReadHold } from "./read-hold.ts"

/** Most bytes of one read, and so of what is parsed before others have their turn. */
const readMaxBytes = 64 * 1024
/** The same of a flood, and where they are costly. */
const shortReadBytes = 16 * 1024
const smallReadBytes = 4 * 1024

/** Makes the connections of one client, and knows which of them is being read. */
export class ModelConnections implements SharedReads {
  readonly buffer = Buffer.allocUnsafeSlow(readMaxBytes)
  readonly shortBuffer = this.buffer.subarray(0, shortReadBytes)
  readonly smallBuffer = this.buffer.subarray(0, smallReadBytes)
  readonly hold: ReadHold
  readonly brake: FloodBrake
  /** undici tells a call of its bytes and not of their connection: it is this one. */
  reading: ModelConnection | null = null
  readonly #timeoutMs: number
  /** The newest TLS session, which makes the next handshake shorter. */
  #session: Buffer | undefined

  /** `timeoutMs` is how long a connection may take until it stands. */
  constructor(hold: ReadHold, brake: FloodBrake, timeoutMs: number) {
    this.hold = hold
    this.brake = brake
    this.#timeoutMs = timeoutMs
  }

  /** For undici's `connect`. */
  readonly connect: buildConnector.connector = (options, callback) => {
    const connection = new ModelConnection(this)
    // Documented for TLS as well, where the types leave it out.
    const reads = {
      onread: { buffer: () => connection.buffer, callback: (bytes: number) => connection.receive(bytes) },
    }
    const connectSocket = buildConnector({
      timeout: this.#timeoutMs,
      // HTTP/1.1, one call a connection: hanging up is then all that is needed to stop the provider.
      allowH2: false,
      maxCachedSessions: 0,
      ...(this.#session !== undefined && { session: this.#session }),
      ...reads,
    })
    connectSocket(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null)
      socket.on("session", (session: Buffer) => (this.#session = session))
      connection.standOn(socket)
      // undici asks no more of a socket than of any stream, and `ref` and `unref`.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type asks for all of a socket
      callback(null, connection as unknown as Socket)
    })
  }
}
