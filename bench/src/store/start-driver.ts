import { fileURLToPath } from "node:url"
import type { Bench } from "../bench.ts"
import { startChild } from "../machine/child.ts"
import { cpuMicros } from "../machine/process-cost.ts"
import type { Subject } from "../servers/server.ts"
import type { DriverWork } from "./driver.ts"
import type { StoreKind } from "./turn-store.ts"

export interface Driver extends Subject {
  /** Resolves at the driver's answer: it has done the work, or it has begun what is to be gone on with. */
  run(work: DriverWork): Promise<void>
}

/** @throws Error where there is no database server */
export async function startDriver(stack: AsyncDisposableStack, { database }: Bench, kind: StoreKind): Promise<Driver> {
  const place = await database.newPlace()
  if ("folder" in place) throw new Error("the embedded database is the engine's alone")
  const child = startChild(`store ${kind}`, [fileURLToPath(new URL("driver.ts", import.meta.url)), kind, place.url])
  stack.defer(() => child.stop())
  await child.nextMessage()
  return {
    name: kind,
    cpuMicros: () => cpuMicros(child.pid),
    async run(work) {
      const answered = child.nextMessage()
      child.send(work)
      await answered
    },
  }
}
