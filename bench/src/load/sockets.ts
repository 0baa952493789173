import type { ConnectOptions, Server } from "../servers/server.ts"
import { newTalker, type User } from "../servers/sign-in.ts"
import type { ChatSocket } from "./chat-socket.ts"

/** Upgrades that are under way at once. */
const connectBatch = 50
/** A few connections, which are closed long before anything is measured. */
const pausesAtOnce = 10

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

/** So many clients that take turns, each of its own user, without a memory. */
export async function connectTalkers(server: Server, count: number): Promise<ChatSocket[]> {
  const users: User[] = []
  await inBatches(count, pausesAtOnce, async (number) => {
    users[number] = await newTalker(server)
  })
  return connectAll(server, count, (number) => ({ user: users[number]! }))
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
