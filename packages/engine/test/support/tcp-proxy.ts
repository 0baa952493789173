import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"

/** A TCP proxy in the way of one server, which can swallow answers, cut, and refuse. */
export class TcpProxy {
  readonly #server: Server
  readonly #target: { host: string; port: number }
  readonly #pairs = new Set<[Socket, Socket]>()
  #isRefusing = false
  /** Set while the answer to a request that matches is to be lost. */
  #lose: { pattern: string; lost: PromiseWithResolvers<void> } | null = null

  private constructor(target: { host: string; port: number }) {
    this.#target = target
    this.#server = createServer((client) => this.#serve(client))
  }

  static async start(target: { host: string; port: number }, port = 0): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    proxy.#server.listen(port, "127.0.0.1")
    await once(proxy.#server, "listening")
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }

  /**
   * Lets the next request that holds this text through, waits until the server has answered it, and cuts the connection
   * instead of passing the answer on. Resolves when that has happened.
   */
  loseAnswerTo(pattern: string): Promise<void> {
    const lost = Promise.withResolvers<void>()
    this.#lose = { pattern, lost }
    return lost.promise
  }

  /** Cuts every connection and refuses new ones. */
  refuse(): void {
    this.#isRefusing = true
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  accept(): void {
    this.#isRefusing = false
  }

  async close(): Promise<void> {
    this.refuse()
    this.#server.close()
    await once(this.#server, "close")
  }

  #serve(client: Socket): void {
    if (this.#isRefusing) {
      client.destroy()
      return
    }
    const server = connect(this.#target)
    const pair: [Socket, Socket] = [client, server]
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    let losing: PromiseWithResolvers<void> | null = null
    client.on("data", (data) => {
      if (this.#lose !== null && data.includes(this.#lose.pattern)) {
        losing = this.#lose.lost
        this.#lose = null
      }
      server.write(data)
    })
    server.on("data", (data) => {
      if (losing === null) {
        client.write(data)
        return
      }
      end()
      losing.resolve()
    })
    for (const socket of pair) socket.on("error", end).on("close", end)
  }
}
