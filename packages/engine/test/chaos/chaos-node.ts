import { appendFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { freePort, GrizzProcess } from "../support/grizz-process.ts"
import { TcpProxy } from "../support/tcp-proxy.ts"

export interface Footprint {
  /** Bytes of resident memory. */
  rss: number
  /** Bytes of heap and external memory after a garbage collection. */
  heap: number
  /** Open file descriptors. */
  descriptors: number
}

const probe = new URL("./memory-probe.ts", import.meta.url).href

export interface ChaosNodeOptions {
  name: string
  databaseUrl: string
  env: Record<string, string>
  /** File that gets its output. */
  logFile: string
}

/** One `grizz serve`, which is started again and again on the same port, with a proxy before its database. */
export class ChaosNode {
  readonly name: string
  readonly port: number
  /** The way to its database. */
  readonly link: TcpProxy
  readonly logFile: string
  /** Starts that failed, because the database was away. */
  failedStarts = 0
  #process: GrizzProcess | null = null
  #isOver = false
  readonly #env: Record<string, string>
  readonly #killAtExit = () => this.#process?.kill("SIGKILL")

  private constructor(options: ChaosNodeOptions, port: number, link: TcpProxy) {
    this.name = options.name
    this.port = port
    this.link = link
    this.logFile = options.logFile
    const databaseUrl = new URL(options.databaseUrl)
    databaseUrl.port = String(link.port)
    process.once("exit", this.#killAtExit)
    this.#env = {
      ...options.env,
      DATABASE_URL: databaseUrl.href,
      NODE_OPTIONS: `--import=${probe}`,
    }
  }

  static async create(options: ChaosNodeOptions): Promise<ChaosNode> {
    const { hostname: host, port } = new URL(options.databaseUrl)
    const link = await TcpProxy.start({ host, port: Number(port) }, await freePort())
    return new ChaosNode(options, await freePort(), link)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** What the process that runs now has printed. */
  get output(): string {
    return this.#process?.output ?? ""
  }

  /** Resolves when it listens; a start that fails is tried again. */
  async start(): Promise<void> {
    while (!this.#isOver) {
      const args = ["serve", "--host", "127.0.0.1", "--port", String(this.port)]
      const started = new GrizzProcess({ args, cwd: fileURLToPath(new URL("/", import.meta.url)), env: this.#env })
      this.#process = started
      const log = (data: Buffer) => appendFileSync(this.logFile, data)
      started.child.stdout?.on("data", log)
      started.child.stderr?.on("data", log)
      const isUp = await started.until(/Server listening/).then(
        () => true,
        () => false,
      )
      if (isUp) return
      this.failedStarts += 1
      await delay(500)
    }
  }

  /** SIGKILL, or a deploy's SIGTERM; resolves with the exit code. */
  async stop(signal: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<number | null> {
    this.#process?.kill(signal)
    return (await this.#process?.exited)?.code ?? null
  }

  freeze(): void {
    this.#process?.kill("SIGSTOP")
  }

  thaw(): void {
    this.#process?.kill("SIGCONT")
  }

  async footprint(): Promise<Footprint> {
    const running = this.#process
    if (running === null) throw new Error(`${this.name} does not run.`)
    const before = running.output.length
    running.kill("SIGUSR2")
    for (;;) {
      const line = /\{"probe":.*\}/.exec(running.output.slice(before))
      if (line !== null) return (JSON.parse(line[0]) as { probe: Footprint }).probe
      await delay(50)
    }
  }

  /** Ends it whatever it does. */
  async close(): Promise<void> {
    this.#isOver = true
    process.off("exit", this.#killAtExit)
    await this.#process?.end()
    await this.link.close()
  }
}
