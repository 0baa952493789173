import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = join(import.meta.dirname, "../../../engine/bin/grizz.js")

/** The real engine as a child process, with a folder and a port of its own. */
export class EngineProcess {
  readonly url: string
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url
    this.#child = child
    this.#folder = folder
  }

  /** Resolves when it takes requests. `env` is added to what the process inherits. */
  static async start(env: Record<string, string>): Promise<EngineProcess> {
    const folder = await mkdtemp(join(tmpdir(), "grizz-page-"))
    const port = await freePort()
    const child = spawn(process.execPath, [program, "start", "--port", String(port)], {
      cwd: folder,
      env: { ...process.env, ...env, LOG_LEVEL: "info" },
      stdio: ["ignore", "pipe", "pipe"],
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (output += data.toString()))
    const engine = new EngineProcess(`http://127.0.0.1:${port}`, child, folder)
    while (!(await engine.#answers())) {
      if (child.exitCode !== null) throw new Error(`The engine did not start:\n${output}`)
      const said = AbortSignal.timeout(250)
      await once(child.stdout ?? child, "data", { signal: said }).catch(() => {})
    }
    return engine
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill("SIGTERM")
      await once(this.#child, "exit")
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #answers(): Promise<boolean> {
    const response = await fetch(`${this.url}/health`).catch(() => null)
    return response?.ok === true
  }
}

/** Below the range that the system hands out, so that no outgoing connection takes it meanwhile. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const probe = createServer()
    const taken = once(probe, "error").then(() => true)
    const listening = once(probe.listen(port, "127.0.0.1"), "listening").then(() => false)
    if (await Promise.race([taken, listening])) continue
    probe.close()
    return port
  }
}
