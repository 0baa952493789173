import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

export const program = fileURLToPath(new URL("../../bin/grizz.js", import.meta.url))

export interface GrizzOptions {
  args: string[]
  /** Folder it runs in, which gets its `.grizz/`. */
  cwd: string
  env?: Record<string, string>
  uid?: number
  /** What is run, in a process group of its own, instead of the program of the sources by the Node.js of the tests. */
  command?: readonly [string, ...string[]]
}

/** The `grizz` program as a process of its own. */
export class GrizzProcess {
  readonly child: ChildProcess
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  output = ""
  readonly #isGroup: boolean
  #heard = Promise.withResolvers<void>()

  constructor({ args, cwd, env = {}, uid, command }: GrizzOptions) {
    const [file, ...first] = command ?? [process.execPath, program]
    this.#isGroup = command !== undefined
    this.child = spawn(file, [...first, ...args], {
      detached: this.#isGroup,
      cwd,
      env: { PATH: process.env.PATH ?? "", ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    const hear = (data: Buffer) => {
      this.output += data.toString()
      this.#heard.resolve()
    }
    this.child.stdout!.on("data", hear)
    this.child.stderr!.on("data", hear)
    this.exited = once(this.child, "close").then(([code, signal]) => {
      this.#heard.resolve()
      return { code, signal }
    })
  }

  /** Waits until the program has said this. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`it ended: ${this.output}`)
      await this.#heard.promise
      this.#heard = Promise.withResolvers()
    }
  }

  /** The URL that it printed. */
  async ready(): Promise<string> {
    return (await this.until(/Grizz is ready: (http:\S+)/))[1]!
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Ends it whatever it does. */
  async end(): Promise<void> {
    if (this.#isGroup) this.killGroup("SIGKILL")
    else if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL")
    await this.exited
  }

  /** As a terminal does: what the program has started hears it too. Only for a `command`. */
  killGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.child.pid ?? Number.NaN), signal)
    } catch {
      // Nobody is left in it.
    }
  }
}

/** A port that was free just now, below the range from which the system hands out ports. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => resolve(true))
    })
    if (!isFree) continue
    server.close()
    await once(server, "close")
    return port
  }
}
