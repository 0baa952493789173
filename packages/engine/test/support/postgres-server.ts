import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"

export interface PostgresServerOptions {
  maxConnections?: number
  /** Off unless asked for: tests of kills of the server need it, the others are faster without. */
  fsync?: boolean
  /** Gives it a folder `smallDisk` that is a disk of its own, of so many MiB. Only where `canMakeDisks()`. */
  smallDiskMiB?: number
}

/** A PostgreSQL server of the tests' own. */
export interface PostgresServer {
  readonly port: number
  /** Process that may be stopped, continued and killed. */
  readonly process: ChildProcess
  url(database: string): string
  /** The small disk's folder; in it, `tables` is empty. */
  readonly smallDisk: string
  /** Ends it at once and removes its files. */
  stop(): Promise<void>
}

/** Folder of `postgres` and `initdb`, with links resolved, or null where there are none. */
export function findPostgresBinaries(): string | null {
  const installed = "/usr/lib/postgresql"
  const versions = canRead(installed) ? readdirSync(installed).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...(process.env["PATH"] ?? "").split(":"),
    ...versions.map((version) => join(installed, version, "bin")),
  ]
  for (const folder of folders) {
    const postgres = join(folder, "postgres")
    if (!canRead(postgres)) continue
    const real = join(realpathSync(postgres), "..")
    if (canRead(join(real, "initdb"))) return real
  }
  return null
}

/** @throws Error when there are no binaries, or the server does not come up */
export async function startPostgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = findPostgresBinaries()
  if (binaries === null) throw new Error("no postgres binary found")
  const folder = mkdtempSync(join(tmpdir(), "grizz-postgres-"))
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? unprivilegedUser() : null
  if (user !== null) chownSync(folder, user.uid, user.gid)
  chmodSync(folder, 0o700)
  const data = join(folder, "data")
  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
  execFileSync(join(binaries, "initdb"), initdb, { ...user, cwd: folder, stdio: "pipe" })
  const port = await freePort()
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: "",
    max_connections: options.maxConnections ?? 100,
    fsync: options.fsync === true ? "on" : "off",
    // Not UTC, so that whatever depends on the session's zone fails a test.
    timezone: "America/New_York",
  }
  const parameters = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const smallDisk = join(folder, "small-disk")
  const server = [join(binaries, "postgres"), "-D", data, ...parameters]
  const { smallDiskMiB } = options
  const [command, ...args] = smallDiskMiB === undefined ? server : withSmallDisk(server, smallDisk, smallDiskMiB)
  const child = spawn(command!, args, {
    ...(smallDiskMiB === undefined && user),
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  })
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`
  // For a run that ends before it has stopped its server.
  const killAtExit = () => child.kill("SIGQUIT")
  process.once("exit", killAtExit)
  const stop = async () => {
    process.off("exit", killAtExit)
    if (child.exitCode === null && child.signalCode === null) {
      // Immediate shutdown; a stopped process must be continued to hear of it.
      child.kill("SIGQUIT")
      child.kill("SIGCONT")
      await once(child, "exit")
    }
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await untilReady(child, url("postgres"))
  } catch (error) {
    await stop()
    throw error
  }
  return { port, process: child, url, smallDisk, stop }
}

/** Whether this process may mount: as root, outside of most containers. */
export function canMakeDisks(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "none", tmpdir()], { stdio: "ignore" })
    execFileSync("setpriv", ["--version"], { stdio: "ignore" })
    return process.getuid?.() === 0
  } catch {
    // No right to, or not Linux.
    return false
  }
}

/** The same command, run as its own user with a disk that only it sees, and that goes when it ends. */
function withSmallDisk(command: string[], path: string, mib: number): string[] {
  const { uid, gid } = unprivilegedUser()
  mkdirSync(path)
  const mount = `mount -t tmpfs -o size=${mib}m,uid=${uid},gid=${gid},mode=0700 grizz "$0"`
  const tables = `mkdir "$0/tables" && chown ${uid}:${gid} "$0/tables"`
  const become = `setpriv --reuid ${uid} --regid ${gid} --clear-groups`
  // Replaced, not forked: whoever kills the child kills the server.
  return ["unshare", "--mount", "sh", "-c", `${mount} && ${tables} && exec ${become} "$@"`, path, ...command]
}

/** Waits for the log line that says so, then connects once to be sure. */
async function untilReady(child: ChildProcess, url: string): Promise<void> {
  let log = ""
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`postgres did not start:\n${log}`)))
    child.once("error", reject)
    child.stderr?.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-10_000)
      if (log.includes("ready to accept connections")) resolve()
    })
  })
  const client = new Client(url)
  await client.connect()
  await client.end()
}

/** Below 32768: above, the port may be taken by an outgoing connection in the meantime. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false))
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

function unprivilegedUser(): { uid: number; gid: number } {
  const users = new Map(
    readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .map(([name, , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }]),
  )
  const user = users.get("postgres") ?? users.get("nobody")
  if (user === undefined) throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody")
  return user
}

function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
