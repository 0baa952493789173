import type { ConnectOptions, Server } from "../servers/server.ts"
import type { ChatSocket } from "./chat-socket.ts"

/** Upgrades that are under way at once. */
const connectBatch = 50

/** So many clients, each of its own user; `options` are for the client with that number. */
export async function connectAll(
  server: Server,
  count: number,
  options: (number: number) => ConnectOptions = () => ({}),
): Promise<ChatSocket[]> {
  const sockets: ChatSocket[] = []
  await inBatches(count, connectBatch, async (number) => {
    sockets[number] = await server.connect(options(number))
  })
  return sockets
}

export async function closeAll(sockets: readonly ChatSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket.close()))
}

/** Does the work `count` times, with numbers from 0, `atOnce` of them at once. */
export async function inBatches(
  count: number,
  atOnce: number,
  work: (number: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
}
