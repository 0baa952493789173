import { describe, expect, test } from "vitest"
import { startChild } from "./child.ts"
import { cpuMicros, residentKib, treeCpuMicros } from "./process-cost.ts"

/** Spins for as long as it is told, by its own accounting; then waits. */
const spin = `process.on("message", (ms) => {
  const before = process.cpuUsage()
  for (let used = 0; used < ms * 1000; ) {
    const { user, system } = process.cpuUsage(before)
    used = user + system
  }
  process.send("done")
})
process.send("ready")`

describe.runIf(process.platform === "linux")("the cost of a process", () => {
  test("CPU time is what the process itself accounts for", async () => {
    const child = startChild("spinner", ["-e", spin])
    try {
      await child.nextMessage()
      const before = cpuMicros(child.pid)
      const treeBefore = treeCpuMicros(process.pid)
      child.send("300")
      await child.nextMessage()
      const micros = cpuMicros(child.pid) - before
      // It never takes less than it was told; what it takes beside the loop is little, and the clock may be coarse.
      expect(micros).toBeGreaterThan(285_000)
      expect(micros).toBeLessThan(450_000)
      expect(treeCpuMicros(process.pid) - treeBefore).toBeGreaterThan(285_000)
      expect(residentKib(child.pid)).toBeGreaterThan(1024)
    } finally {
      await child.stop()
    }
    expect(() => cpuMicros(child.pid)).toThrow("has ended")
  })
})
