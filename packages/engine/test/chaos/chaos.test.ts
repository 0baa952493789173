import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { describe, expect, onTestFinished, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"

const program = fileURLToPath(new URL("./main.ts", import.meta.url))

/** What it waits for at most: to begin calmly, for what the ledger is tested with, and to heal, a minute each. */
const within = 300_000

async function chaos(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [program, ...args])
  // It ends its servers when it is told to.
  onTestFinished(() => void child.kill("SIGTERM"))
  let output = ""
  child.stdout.on("data", (data: Buffer) => (output += data.toString()))
  child.stderr.on("data", (data: Buffer) => (output += data.toString()))
  const [code] = await once(child, "close")
  return { code, output }
}

/** The rows of one section of its table: what was counted, and the count. */
const section = (output: string, name: string) =>
  [...output.matchAll(new RegExp(`^\\| ${name} \\| (.*) \\| (\\S+) \\|$`, "gm"))].map(
    ([, what, count]) => [what!, Number(count)] as const,
  )

describe.skipIf(missingServer !== null)(`chaos${missingServer ? `: ${missingServer}` : ""}`, () => {
  test(
    "half a minute of faults under a small load: what was told is what is stored",
    async () => {
      const { code, output } = await chaos("--minutes", "0.4", "--users", "6", "--seed", "7")
      expect(code, output).toBe(0)
      const violations = section(output, "violations")
      expect(violations.length).toBeGreaterThan(10)
      expect(violations.filter(([, count]) => count !== 0)).toEqual([])
      expect(new Map(section(output, "load")).get("acknowledgements")).toBeGreaterThan(0)
      expect(section(output, "faults").some(([, count]) => count > 0)).toBe(true)
      expect(output).toContain("| ledger | planted violations that it noticed | 6 of 6 |")
    },
    within,
  )

  test(
    "a violation makes it fail, and says where the logs are",
    async () => {
      const { code, output } = await chaos("--minutes", "0.1", "--users", "2", "--seed", "4", "--plant", "lost")
      expect(output).toMatch(/VIOLATION lost: message \S+ was acknowledged and is not stored/)
      expect(output).toMatch(/logs in \S+; again with --seed 4/)
      expect(code).toBe(1)
    },
    within,
  )
})
