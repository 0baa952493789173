// Builds dist/. With --if-needed only when it is missing or older than what it is made of; then silent when it is not.
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"

const root = import.meta.dirname
const packages = join(root, "..")
const inputs = [
  join(root, "src"),
  join(root, "index.html"),
  join(root, "vite.config.ts"),
  join(root, "build.ts"),
  join(packages, "client/src"),
  join(packages, "protocol/src"),
  join(packages, "../package-lock.json"),
].filter((path) => existsSync(path))

if (!process.argv.includes("--if-needed") || !isFresh(join(root, "dist/index.html"))) {
  // Whoever calls (a test run says "test"), the page gets the production React.
  process.env["NODE_ENV"] = "production"
  const { build } = await import("vite")
  await build({ root, configFile: join(root, "vite.config.ts"), logLevel: "warn" })
}

function isFresh(output: string): boolean {
  return existsSync(output) && statSync(output).mtimeMs >= Math.max(...inputs.map(newestMs))
}

/** Folders count too: their own time tells of a file that was taken away. */
function newestMs(path: string): number {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))))
}
