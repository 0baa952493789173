import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"

/** How a connection ends: properly, broken, or not at all, with nothing coming through any more. */
export const cuts = ["FIN", "RST", "silence"] as const
export type Cut = (typeof cuts)[number]

interface Pair {
  client: Socket
  server: Socket
  isSilent: boolean
}

/** The line between one client and a server: what is open on it can be cut, and what is opened later goes through. */
export class CutLine {
  readonly #server: Server
  readonly #target: { host: string; port: number }
  readonly #pairs = new Set<Pair>()
  #port = 0

  private constructor(target: { host: string; port: number }) {
    this.#target = target
    this.#server = createServer((client) => this.#serve(client))
  }

  /** @param url of the server, `http:` */
  static async start(url: string): Promise<CutLine> {
    const { hostname, port } = new URL(url)
    const line = new CutLine({ host: hostname, port: Number(port) })
    await line.accept()
    const address = line.#server.address()
    line.#port = typeof address === "object" && address !== null ? address.port : 0
    return line
  }

  /** The server's, through this line. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Cuts what is open now, on both sides. A silent connection stays open on both until the line is closed. */
  cut(how: Cut): void {
    for (const pair of this.#pairs) {
      pair.isSilent = true
      for (const socket of [pair.client, pair.server]) {
        if (how === "FIN") socket.end()
        if (how === "RST") socket.resetAndDestroy()
      }
    }
  }

  /** Lets in nothing more; what is open stays so. */
  refuse(): void {
    this.#server.close()
  }

  /** On the same port again, after `refuse`. */
  async accept(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1")
    await once(this.#server, "listening")
  }

  async close(): Promise<void> {
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    // Also where it takes nothing in any more, which is then told and does no harm.
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(client: Socket): void {
    const server = connect(this.#target)
    const pair: Pair = { client, server, isSilent: false }
    this.#pairs.add(pair)
    const forward = (from: Socket, to: Socket) => {
      from.setNoDelay(true)
      from.on("data", (data) => {
        if (!pair.isSilent) to.write(data)
      })
      from.on("end", () => {
        if (!pair.isSilent) to.end()
      })
      // Whatever goes wrong on one side ends in its close.
      from.on("error", () => from.destroy())
      from.on("close", () => {
        if (!pair.isSilent) to.destroy()
        if (client.destroyed && server.destroyed) this.#pairs.delete(pair)
      })
    }
    forward(client, server)
    forward(server, client)
  }
}
