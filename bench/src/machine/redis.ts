import { findRedisServer, RedisServer } from "../../../packages/engine/test/support/redis-server.ts"
import { cpuMicros } from "./process-cost.ts"

export interface BenchRedis {
  url: string
  /** CPU time that it used so far, in µs. */
  cpuMicros(): number
}

export function hasRedis(): boolean {
  return findRedisServer() !== null
}

/** A Redis server of the bench's own, without persistence. @throws Error when there is none on this machine */
export async function startRedis(stack: AsyncDisposableStack): Promise<BenchRedis> {
  const server = await RedisServer.start()
  stack.defer(() => server.stop())
  const pid = Number(/^process_id:(\d+)/m.exec(await server.admin.info("server"))?.[1])
  return { url: server.url, cpuMicros: () => cpuMicros(pid) }
}
