import { Duplex } from "node:stream"
import type { Socket } from "node:net"
import { type FloodBrake, ReadAllowance } from "./flood-brake.ts"
import type { ReadHold } from "./read-hold.ts"

/** Hears of the reads of a connection while its answer comes in. */
export interface ReadListener {
  /** All that one read brought was parsed. True when the next one may be held. */
  onReadOver(): boolean
}

/** What the connections of one client share. */
export interface SharedReads {
  /** What the kernel's bytes are read into, and parsed in: nobody keeps a part of it, which the next read overwrites. */
  readonly buffer: Buffer
  /** Parts of it: for what comes too fast, and for bytes that are costly to parse. */
  readonly shortBuffer: Buffer
  readonly smallBuffer: Buffer
  readonly hold: ReadHold
  readonly brake: FloodBrake
  /** The connection whose bytes are being parsed. */
  reading: ModelConnection | null
}

/**
 * After a read this long there is probably more: it waits until everybody else had a turn, so that a model that floods
 * keeps nobody waiting. No longer than a TLS record, which is the longest read there.
 */
const longReadBytes = 16 * 1024
/** Chunks of HTTP that are smaller on average cost more than their bytes: no event of a model's is as short. */
const tinyChunkBytes = 32

/**
 * A socket as undici reads it. Node.js's own would read on into its buffer whatever becomes of it; this one can stop
 * between two reads (`onread`), and gives what it read to the parser at once, by one event and through no buffer.
 */
export class ModelConnection extends Duplex {
  /** Chunks of the answer in the read that is being parsed; counted by whoever gets them. */
  chunks = 0
  readonly #shared: SharedReads
  #socket: Socket | null = null
  /** What was just read, until `read` takes it. */
  #chunk: Buffer | null = null
  /** While the parser is told of it; nothing else is there to be read then. */
  #isDelivering = false
  #hasTinyChunks = false
  #listener: ReadListener | null = null
  #allowance: ReadAllowance

  constructor(shared: SharedReads) {
    super()
    this.#shared = shared
    this.#allowance = new ReadAllowance(shared.brake.now)
  }

  /** Null when no answer is coming in. Each answer has an allowance of its own. */
  set listener(listener: ReadListener | null) {
    this.#listener = listener
    this.#allowance = new ReadAllowance(this.#shared.brake.now)
  }

  /** From now on it writes to this socket, and ends with it. */
  standOn(socket: Socket): void {
    this.#socket = socket
    socket.on("end", () => this.push(null))
    socket.on("error", (error) => this.destroy(error))
    socket.on("close", () => this.destroy())
  }

  /** What the next read goes into. */
  get buffer(): Buffer {
    if (this.#hasTinyChunks) return this.#shared.smallBuffer
    return this.#allowance.isOver ? this.#shared.shortBuffer : this.#shared.buffer
  }

  /** So many bytes are in the shared buffer. False when no more is to be read for now. */
  receive(bytes: number): boolean {
    const shared = this.#shared
    const chunk = shared.buffer.subarray(0, bytes)
    shared.reading = this
    this.chunks = 0
    try {
      // The parser keeps what it knows of a head that is not whole; of an answer's body nobody keeps anything.
      this.#deliver(this.#listener === null ? Buffer.from(chunk) : chunk)
    } finally {
      shared.reading = null
    }
    const isLong = bytes >= Math.min(longReadBytes, this.buffer.length)
    this.#hasTinyChunks = this.chunks * tinyChunkBytes > bytes
    this.#allowance.spend(bytes, this.chunks)
    const mayHold = this.#listener?.onReadOver() ?? false
    if (this.destroyed) return false
    if (this.#allowance.isOver) {
      shared.brake.wait(this)
      return false
    }
    if (mayHold && shared.hold.hold(this)) return false
    if (!isLong) return true
    setImmediate(() => this.readOn())
    return false
  }

  /** Reads again, after a `receive` that was false. */
  readOn(): void {
    if (!this.destroyed) this.#socket?.resume()
  }

  /** For undici, which lets an idle connection keep no process alive. */
  ref(): void {
    this.#socket?.ref()
  }

  unref(): void {
    this.#socket?.unref()
  }

  /** Its parser, told that there is something to read, reads until there is nothing. */
  #deliver(chunk: Buffer): void {
    // In order behind what is still unread, if anything is.
    if (this.readableLength === 0) {
      this.#chunk = chunk
      this.#isDelivering = true
      this.emit("readable")
      this.#isDelivering = false
      if (this.#chunk === null) return
      this.#chunk = null
    }
    this.push(Buffer.from(chunk))
  }

  override read(size?: number): unknown {
    const chunk = this.#chunk
    if (chunk !== null) {
      this.#chunk = null
      return chunk
    }
    // The parser asks once more after each read: there is nothing, as the stream's own way would find out at length.
    return this.#isDelivering && this.readableLength === 0 ? null : super.read(size)
  }

  override _read(): void {
    // The kernel is read as fast as the parser, which takes all at once.
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#socket === null) callback(new Error("The connection does not stand yet."))
    else this.#socket.write(chunk, encoding, callback)
  }

  /** Head and body of a request: one write. */
  override _writev(parts: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this._write(Buffer.concat(parts.map(({ chunk }) => chunk)), "utf8", callback)
  }

  override _final(callback: () => void): void {
    if (this.#socket === null) callback()
    else this.#socket.end(callback)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket?.destroy()
    callback(error)
  }
}
