import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = join(import.meta.dirname, "../../../engine/bin/grizz.js")

/** The real engine as a child process, with a folder and a port of its own, which it keeps over a restart. */
export class EngineProcess {
  readonly url: string
  /** The folder of its embedded database, which nobody else may open while it runs. */
  readonly dataFolder: string
  readonly #env: Record<string, string>
  readonly #folder: string
  readonly #port: number
  #child: ChildProcess | null = null

  private constructor(port: number, folder: string, env: Record<string, string>) {
    this.url = `http://127.0.0.1:${port}`
    this.dataFolder = join(folder, ".grizz")
    this.#port = port
    this.#folder = folder
    this.#env = env
  }

  /** Resolves when it takes requests. `env` is added to what the process inherits. */
  static async start(env: Record<string, string>): Promise<EngineProcess> {
    const engine = new EngineProcess(await freePort(), await mkdtemp(join(tmpdir(), "grizz-page-")), env)
    await engine.startAgain()
    return engine
  }

  /** On the same port and folder. Resolves when it takes requests. */
  async startAgain(): Promise<void> {
    const child = spawn(process.execPath, [program, "start", "--port", String(this.#port)], {
      cwd: this.#folder,
      env: { ...process.env, ...this.#env, LOG_LEVEL: "info" },
      stdio: ["ignore", "pipe", "pipe"],
    })
    this.#child = child
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()))
    while (!(await this.#answers())) {
      if (hasEnded(child)) throw new Error(`The engine did not start:\n${output}`)
      const said = AbortSignal.timeout(250)
      await once(child.stdout, "data", { signal: said }).catch(() => {})
    }
  }

  /** Ends the process and keeps its folder. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child
    if (child === null || hasEnded(child)) return
    child.kill(signal)
    await once(child, "exit")
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM")
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #answers(): Promise<boolean> {
    const response = await fetch(`${this.url}/health`).catch(() => null)
    return response?.ok === true
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
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
