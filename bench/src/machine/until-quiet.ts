import { setTimeout as delay } from "node:timers/promises"
import type { Subject } from "../servers/server.ts"

const lookMs = 250
/** A process that uses less of a core than this has nothing to do but its timers. */
const quietShare = 0.1
const looksMax = 120

/** Resolves when the process has done what it had to do. @throws Error when it goes on for half a minute */
export async function untilQuiet(subject: Subject): Promise<void> {
  for (let look = 0; look < looksMax; look++) {
    const before = subject.cpuMicros()
    await delay(lookMs)
    if (subject.cpuMicros() - before < quietShare * lookMs * 1000) return
  }
  throw new Error(`${subject.name} does not come to rest`)
}
