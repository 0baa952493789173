import { execFileSync } from "node:child_process"
import { readFileSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { expect, test } from "vitest"

test("a page that is up to date is not built again, from whatever folder, and nothing is said", () => {
  const page = join(import.meta.dirname, "../dist/index.html")
  const builtAt = statSync(page).mtimeMs
  const program = join(import.meta.dirname, "../build.ts")
  expect(execFileSync(process.execPath, [program, "--if-needed"], { cwd: tmpdir() }).toString()).toBe("")
  expect(statSync(page).mtimeMs).toBe(builtAt)
})

test("the scripts that the page loads at first weigh less than 150 KB gzipped, without Supabase's", () => {
  const dist = join(import.meta.dirname, "../dist")
  const html = readFileSync(join(dist, "index.html"), "utf8")
  const names = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1] ?? "")
  const scripts = names.map((name) => readFileSync(join(dist, name)))
  expect(scripts.length).toBeGreaterThan(0)
  const bytes = scripts.reduce((sum, script) => sum + gzipSync(script).length, 0)
  expect(bytes).toBeLessThan(150 * 1024)
  expect(scripts.some((script) => script.includes("GoTrueClient"))).toBe(false)
})
