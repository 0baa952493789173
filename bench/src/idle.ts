import { residentKib } from "./process-cost.ts"
import type { Server, Servers } from "./servers.ts"
import { connectAll } from "./sockets.ts"
import { round } from "./statistics.ts"

export interface IdleFigures {
  sockets: number
  engine: IdleCost
  relay: IdleCost
  ratio: number
}

interface IdleCost {
  /** Resident memory that one more idle socket takes, garbage collected. */
  kib_per_socket: number
  /** Resident memory of the process before the sockets. */
  baseline_mib: number
}

/** Sockets that came and went before the baseline is taken, so that code and pools are there. */
const warmUpSockets = 50

/** Needs servers that were started for it. */
export async function measureIdle(
  { engine, relay }: Servers,
  sockets: number,
  say: (progress: string) => void,
): Promise<IdleFigures> {
  say(`idle: ${sockets} sockets`)
  const costs = { engine: await costOf(engine, sockets), relay: await costOf(relay, sockets) }
  return { sockets, ...costs, ratio: round(costs.engine.kib_per_socket / costs.relay.kib_per_socket, 3) }
}

async function costOf(server: Server, count: number): Promise<IdleCost> {
  for (const socket of await connectAll(server, warmUpSockets)) await socket.close()
  await server.collectGarbage()
  const before = residentKib(server.pid)
  const sockets = await connectAll(server, count)
  await server.collectGarbage()
  const after = residentKib(server.pid)
  await Promise.all(sockets.map((socket) => socket.close()))
  return { kib_per_socket: round((after - before) / count, 1), baseline_mib: round(before / 1024, 1) }
}
