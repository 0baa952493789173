import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"

export interface Child {
  readonly name: string
  readonly pid: number
  /** Resolves with the child's next message to the bench. @throws Error when it ends instead */
  nextMessage(): Promise<unknown>
  send(message: string | object): void
  /** Null while it runs; afterwards what it said last. */
  readonly epitaph: string | null
  /** Ends it: asked to at first, and made to after a second. */
  stop(): Promise<void>
}

export interface ChildOptions {
  env?: Record<string, string>
  cwd?: string
}

/** An engine would wait for its replies, which nobody reads any more. */
const stopTimeoutMs = 1000
const epitaphLength = 4000

const running = new Set<ChildProcess>()
// The last resort, for exits that nobody foresaw; it must not wait for anything.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

/** A Node.js process of the bench's own, with nothing of this one's environment but what `env` names. */
export function startChild(name: string, args: string[], { env = {}, cwd }: ChildOptions = {}): Child {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    ...(cwd === undefined ? {} : { cwd }),
  })
  running.add(child)
  let said = ""
  const listen = (chunk: Buffer) => (said = (said + chunk.toString()).slice(-epitaphLength))
  child.stdout?.on("data", listen)
  child.stderr?.on("data", listen)
  const ended = once(child, "exit").finally(() => running.delete(child))
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  return {
    name,
    // Undefined only when Node.js itself cannot be started; the exit then says so.
    pid: child.pid ?? 0,
    async nextMessage() {
      const message = await Promise.race([once(child, "message"), ended.then(() => null)])
      if (message === null) throw new Error(`the ${name} ended: ${said}`)
      return message[0]
    },
    send: (message) => child.send(message),
    get epitaph() {
      return isOver() ? said : null
    },
    async stop() {
      if (isOver()) return
      child.kill("SIGTERM")
      const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs)
      await ended
      clearTimeout(force)
    },
  }
}
