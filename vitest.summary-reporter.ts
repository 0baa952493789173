import { relative } from "node:path"
import type { Reporter, TestModule } from "vitest/node"

/** Ends every run with the files that failed, with what did not run, by name, and with one line of counts. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")].map((test) => test.fullName))
    const failed = modules.filter((module) => module.state() === "failed")
    const lines = failed.map((module) => `Failed: ${counts([module])} in ${relative(process.cwd(), module.moduleId)}`)
    if (skipped.length > 0) lines.push("Skipped on this machine:", ...skipped.map((name) => `  - ${name}`))
    lines.push(counts(modules))
    process.stdout.write(`\n${lines.join("\n")}\n`)
  }
}

function counts(modules: readonly TestModule[]): string {
  const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  for (const module of modules) {
    for (const test of module.children.allTests()) count[test.result().state] += 1
    // One that failed as a whole, before its tests or beside them.
    if (module.state() === "failed" && [...module.children.allTests("failed")].length === 0) count.failed += 1
  }
  return `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`
}
