import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { accessSync, constants } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Redis } from "ioredis"
import { freePort } from "./postgres-server.ts"

/** Path of `redis-server` or `valkey-server`; null where there is none. */
export function findRedisServer(): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    for (const name of ["redis-server", "valkey-server"]) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        continue
      }
    }
  }
  return null
}

/** A Redis server of the tests' own, without persistence, to which every fault can be done. */
export class RedisServer {
  readonly port: number
  readonly #binary: string
  #process: ChildProcess | null = null
  #admin: Redis | null = null
  readonly #killAtExit = () => void this.#process?.kill("SIGKILL")

  private constructor(binary: string, port: number) {
    this.#binary = binary
    this.port = port
    process.once("exit", this.#killAtExit)
  }

  static async start(): Promise<RedisServer> {
    const binary = findRedisServer()
    if (binary === null) throw new Error("no redis-server found")
    const server = new RedisServer(binary, await freePort())
    await server.restart()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** A connection of the test's own. */
  get admin(): Redis {
    this.#admin ??= new Redis(this.port, "127.0.0.1", { lazyConnect: true })
    return this.#admin
  }

  /** Starts it, empty, after `kill`. */
  async restart(): Promise<void> {
    const options = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    const child = spawn(this.#binary, options, { cwd: tmpdir(), stdio: ["ignore", "pipe", "ignore"] })
    this.#process = child
    let log = ""
    await new Promise<void>((resolve, reject) => {
      child.once("exit", () => reject(new Error(`redis-server did not start:\n${log}`)))
      child.once("error", reject)
      child.stdout.on("data", (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-10_000)
        if (/ready to accept connections/i.test(log)) resolve()
      })
    })
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#admin?.disconnect()
    this.#admin = null
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, "exit")
    child.kill("SIGKILL")
    await exit
  }

  freeze(): void {
    this.#process?.kill("SIGSTOP")
  }

  thaw(): void {
    this.#process?.kill("SIGCONT")
  }

  async flush(): Promise<void> {
    await this.admin.flushall()
  }

  /** Ends every connection but the test's own. */
  async cutConnections(): Promise<void> {
    await this.admin.call("CLIENT", "KILL", "TYPE", "pubsub")
    await this.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
  }

  /** Refuses every write from now on, as a server without memory does; `false` ends that. */
  async fill(isFull: boolean): Promise<void> {
    await this.admin.config("SET", "maxmemory", isFull ? "1" : "0")
  }

  /** How often a command was called since the server started. */
  async calls(command: string): Promise<number> {
    const stats = await this.admin.info("commandstats")
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }

  async stop(): Promise<void> {
    process.off("exit", this.#killAtExit)
    await this.kill()
  }
}
