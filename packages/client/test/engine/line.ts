import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"

/** A way to one engine that a test can cut, mend, make deaf, and close to WebSockets. */
export class Line {
  readonly #server: Server
  readonly #enginePort: () => number
  readonly #sockets = new Set<Socket>()
  #isWhole = true
  /** Swallows what the engine says, without a word: the sockets stay open. */
  isDeaf = false
  /** Refuses upgrades, as some proxies do. */
  blocksSockets = false
  #lose: (() => void) | null = null

  private constructor(server: Server, enginePort: () => number) {
    this.#server = server
    this.#enginePort = enginePort
  }

  /** @param enginePort asked at every connection: it may be another one after a restart */
  static async to(enginePort: () => number): Promise<Line> {
    const server = createServer()
    const line = new Line(server, enginePort)
    server.on("connection", (near) => line.#join(near))
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return line
  }

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`
  }

  /** Breaks what is open, without refusing what comes next. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  cut(): void {
    this.#isWhole = false
    this.break()
  }

  mend(): void {
    this.#isWhole = true
    this.isDeaf = false
  }

  /** The next thing that the engine says is lost, and with it everything that is open. Resolves when that has happened. */
  loseNextAnswer(): Promise<void> {
    return new Promise((resolve) => (this.#lose = resolve))
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, "close")
  }

  #join(near: Socket): void {
    if (!this.#isWhole) {
      near.destroy()
      return
    }
    const far = connect(this.#enginePort(), "127.0.0.1")
    const pair: [Socket, Socket] = [near, far]
    for (const socket of pair) {
      this.#sockets.add(socket)
      socket.on("error", () => socket.destroy())
      socket.on("close", () => {
        this.#sockets.delete(socket)
        for (const one of pair) one.destroy()
      })
    }
    near.on("data", (data) => {
      if (this.blocksSockets && /upgrade: websocket/i.test(data.toString("latin1"))) {
        near.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
      } else far.write(data)
    })
    far.on("data", (data) => this.#hear(near, data))
  }

  #hear(near: Socket, data: Buffer): void {
    const lost = this.#lose
    if (lost === null) {
      if (!this.isDeaf) near.write(data)
      return
    }
    this.#lose = null
    this.break()
    lost()
  }
}
