import { execFileSync } from "node:child_process"
import { statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"

test("a page that is up to date is not built again, from whatever folder, and nothing is said", () => {
  const page = join(import.meta.dirname, "../dist/index.html")
  const builtAt = statSync(page).mtimeMs
  const program = join(import.meta.dirname, "../build.ts")
  expect(execFileSync(process.execPath, [program, "--if-needed"], { cwd: tmpdir() }).toString()).toBe("")
  expect(statSync(page).mtimeMs).toBe(builtAt)
})
