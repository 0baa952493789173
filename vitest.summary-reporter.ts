import type { Reporter, TestModule } from "vitest/node"

/** Ends every run with what did not run, by name, and with one line of counts. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0 }
    const skipped: string[] = []
    for (const module of modules) {
      if (module.state() === "failed" && [...module.children.allTests("failed")].length === 0) count.failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "pending") continue
        count[state] += 1
        if (state === "skipped") skipped.push(test.fullName)
      }
    }
    const lines = skipped.length === 0 ? [] : ["Skipped on this machine:", ...skipped.map((name) => `  - ${name}`)]
    lines.push(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
    process.stdout.write(`\n${lines.join("\n")}\n`)
  }
}
