import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

export interface TransactionPooler {
  readonly port: number
  close(): Promise<void>
}

/** One connection to the server, lent to a client for a transaction at a time. */
interface Backend {
  socket: Socket
  client: Client | null
}

interface Client {
  socket: Socket
  backend: Backend | null
}

/**
 * A pooler in transaction mode, as small as can be: each client signs in to a backend of its own, and from then on gets,
 * for each transaction, the backend that was used last of those that are free.
 */
export async function startTransactionPooler(serverPort: number): Promise<TransactionPooler> {
  const free: Backend[] = []
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
  }

  const listen = (backend: Backend) => {
    let rest: Buffer = Buffer.alloc(0)
    backend.socket.on("data", (data: Buffer) => {
      backend.client?.socket.write(data)
      rest = Buffer.concat([rest, data])
      while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
        const length = 1 + rest.readUInt32BE(1)
        // ReadyForQuery outside a transaction: the backend is anybody's.
        if (rest[0] === 0x5a && rest[5] === 0x49 && backend.client !== null) {
          backend.client.backend = null
          backend.client = null
          free.push(backend)
        }
        rest = rest.subarray(length)
      }
    })
  }

  const server = createServer((socket) => {
    keep(socket)
    const backend: Backend = { socket: connect(serverPort, "127.0.0.1"), client: null }
    keep(backend.socket)
    const client: Client = { socket, backend }
    backend.client = client
    listen(backend)
    socket.on("data", (data: Buffer) => {
      // Goodbye: the backend lives on.
      if (data[0] === 0x58) return
      if (client.backend === null) {
        const next = free.pop()
        if (next === undefined) throw new Error("no backend is free")
        next.client = client
        client.backend = next
      }
      client.backend.socket.write(data)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the pooler has no port")
  return {
    port: address.port,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, "close")
    },
  }
}
