import type { ChatSocket } from "./chat-socket.ts"
import type { Server } from "./servers.ts"

/** Upgrades that are under way at once. */
const connectBatch = 50

/** So many clients, each of its own user. */
export async function connectAll(server: Server, count: number): Promise<ChatSocket[]> {
  const sockets: ChatSocket[] = []
  while (sockets.length < count) {
    const batch = Math.min(connectBatch, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => server.connect()))))
  }
  return sockets
}
