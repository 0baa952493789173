import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

/** A way to the engine that a test can cut and mend. */
export class CutLine {
  readonly url: string
  readonly #server: ReturnType<typeof createServer>
  readonly #sockets = new Set<Socket>()
  #whole = true

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

  cut(): void {
    this.#whole = false
    for (const socket of this.#sockets) socket.destroy()
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
      socket.pipe(other)
    }
  }
}
