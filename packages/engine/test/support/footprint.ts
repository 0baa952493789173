import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** What a process holds now: timers and sockets by kind, and its heap after a collection, in bytes. */
export interface Footprint {
  resources: Record<string, number>
  heapBytes: number
}

export function footprint(): Footprint {
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  setFlagsFromString("--expose-gc")
  const collect: unknown = runInNewContext("gc")
  if (typeof collect === "function") collect()
  return { resources, heapBytes: process.memoryUsage().heapUsed }
}
