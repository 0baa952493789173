// Plain JavaScript that even an old Node.js can read: an older Node.js starts the one that was installed with the engine.
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** First word of the engine's command line when it was started so. */
const launchedName = "grizz"
const signals = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"]

export function isNewEnough() {
  const [major, minor] = process.versions.node.split(".").map(Number)
  return major > 24 || (major === 24 && minor >= 12)
}

/** Path of the Node.js that was installed with the engine; null where none is for this machine. */
export function bundledNode() {
  const isWindows = process.platform === "win32"
  const name = `node-${isWindows ? "win" : process.platform}-${process.arch}`
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    return join(dirname(manifest), "bin", isWindows ? "node.exe" : "node")
  } catch {
    // Optional: npm installs it for the system and the processor that it is made for, and there are not all of them.
    return null
  }
}

/** As good as replacing this process: what it is told goes to the other, and what ends the other ends it. */
export function runOn(node, program, args) {
  const child = spawn(node, ["--max-semi-space-size=16", program, ...args], {
    argv0: launchedName,
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  })
  const pass = (signal) => child.kill(signal)
  for (const signal of signals) process.on(signal, pass)
  child.on("error", (error) => {
    console.error(`The Node.js that came with the engine does not run on this machine: ${error.message}`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => {
    for (const signal of signals) process.off(signal, pass)
    if (signal === null) process.exit(code)
    process.kill(process.pid, signal)
  })
}

/** SIGKILL cannot be passed on, so that is noticed: nothing is left behind. */
export function endWithLauncher() {
  if (process.argv0 !== launchedName || process.channel === undefined) return
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"))
  process.channel.unref()
}
