import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { findPostgresBinaries } from "../support/postgres-server.ts"

const program = fileURLToPath(new URL("./main.ts", import.meta.url))
const missing = findPostgresBinaries() === null ? ": no postgres binary found" : ""

async function chaos(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [program, ...args])
  let output = ""
  child.stdout.on("data", (data: Buffer) => (output += data.toString()))
  child.stderr.on("data", (data: Buffer) => (output += data.toString()))
  const [code] = await once(child, "close")
  return { code, output }
}

describe.skipIf(missing !== "")(`chaos${missing}`, () => {
  test.concurrent("a short run finds no violation", { timeout: 180_000 }, async () => {
    const { code, output } = await chaos("--minutes", "0.2", "--seed", "3", "--users", "6")
    expect(output).toContain("| ledger | planted violations that it noticed | 6 of 6 |")
    expect(code, output).toBe(0)
  })

  test.concurrent("a violation makes it fail, and says where the logs are", { timeout: 180_000 }, async () => {
    const { code, output } = await chaos("--minutes", "0.1", "--seed", "4", "--users", "2", "--plant", "lost")
    expect(output).toMatch(/VIOLATION lost: message \S+ was acknowledged and is not stored/)
    expect(output).toMatch(/logs in \S+; again with --seed 4/)
    expect(code).toBe(1)
  })
})
