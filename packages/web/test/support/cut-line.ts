import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

/** A way to the engine that a test can cut, mend, make deaf to the engine, and slow. */
export class CutLine {
  readonly url: string
  readonly #server: ReturnType<typeof createServer>
  readonly #sockets = new Set<Socket>()
  /** The engine's ends among them. */
  readonly #fars = new Set<Socket>()
  #whole = true
  /** What the engine says is swallowed without a word; what it is told still arrives. */
  #isDeaf = false

  private constructor(port: number, server: ReturnType<typeof createServer>) {
    this.url = `http://127.0.0.1:${port}`
    this.#server = server
  }

  static async to(engineUrl: string): Promise<CutLine> {
    const enginePort = Number(new URL(engineUrl).port)
    const server = createServer()
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const line = new CutLine(typeof address === "object" && address !== null ? address.port : 0, server)
    server.on("connection", (socket) => line.#join(socket, enginePort))
    return line
  }

  /** Loses everything that the engine says from now on, until the line is cut. */
  deafen(): void {
    this.#isDeaf = true
  }

  /** Nothing more is read of what the engine says on the connections that are open, until `readOn`. */
  stopReading(): void {
    for (const far of this.#fars) far.pause()
  }

  readOn(): void {
    for (const far of this.#fars) far.resume()
  }

  cut(): void {
    this.#whole = false
    for (const socket of this.#sockets) socket.destroy()
    this.#isDeaf = false
  }

  mend(): void {
    this.#whole = true
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, "close")
  }

  #join(near: Socket, enginePort: number): void {
    if (!this.#whole) {
      near.destroy()
      return
    }
    const far = connect(enginePort, "127.0.0.1")
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      // A cut is what this line is for; the other side hears of it by the close that follows.
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    this.#fars.add(far)
    far.on("close", () => this.#fars.delete(far))
    near.pipe(far)
    far.on("data", (data) => {
      if (!this.#isDeaf) near.write(data)
    })
  }
}
