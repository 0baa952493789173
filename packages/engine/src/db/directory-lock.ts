import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

interface Holder {
  pid: number
  /** Boot and start time of the process, where the system tells; a reused pid has another. */
  started: string | null
}

/** A folder's lock, for one process at a time. */
export interface DirectoryLock {
  release(): void
}

const lockName = /^lock\.(\d+)$/

/**
 * Locks a folder, making it where it is missing.
 *
 * The lock is the file `lock.<n>` with the highest n; who wants it makes `lock.<n+1>`, which only one can, and only when the
 * holder of `lock.<n>` has released it or is dead. The highest file is never removed, only marked as released: so nobody who
 * looked a moment ago can take away, or come beside, a lock that was taken since.
 *
 * @throws Error with one sentence: who holds the folder, or why it cannot be written
 */
export function lockDirectory(directory: string): DirectoryLock {
  try {
    mkdirSync(directory, { recursive: true })
    for (;;) {
      const file = tryLock(directory)
      if (file !== null) return { release: () => replaceFile(directory, file, "{}") }
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
      throw new Error(`The folder ${directory} cannot be written (${error.code}).`, { cause: error })
    }
    throw error
  }
}

/** The file that is now the lock, or null when another process was faster and one has to look again. */
function tryLock(directory: string): string | null {
  const highest = highestLock(directory)
  const holder = highest === 0 ? null : readHolder(join(directory, `lock.${highest}`))
  if (holder !== null && isAlive(holder)) {
    const who = holder.pid === process.pid ? "this process" : `process ${holder.pid}`
    throw new Error(`The folder ${directory} is in use by ${who}, which must be stopped first.`)
  }
  const file = `lock.${highest + 1}`
  if (!makeFile(directory, file, JSON.stringify(describeProcess(process.pid)))) return null
  if (highestLock(directory) > highest + 1) {
    // Made in the place of a file that others had gone past and removed.
    rmSync(join(directory, file), { force: true })
    return null
  }
  for (const name of readdirSync(directory)) {
    const number = Number(lockName.exec(name)?.[1] ?? Number.POSITIVE_INFINITY)
    if (number <= highest) rmSync(join(directory, name), { force: true })
  }
  return file
}

function highestLock(directory: string): number {
  return Math.max(0, ...readdirSync(directory).map((name) => Number(lockName.exec(name)?.[1] ?? 0)))
}

/** Whole from the first moment that it is there. False when it is there already. */
function makeFile(directory: string, name: string, content: string): boolean {
  const draft = join(directory, `draft.${process.pid}`)
  writeFileSync(draft, content)
  try {
    linkSync(draft, join(directory, name))
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function replaceFile(directory: string, name: string, content: string): void {
  const draft = join(directory, `draft.${process.pid}`)
  writeFileSync(draft, content)
  renameSync(draft, join(directory, name))
}

/** Null for a released lock. */
function readHolder(file: string): Holder | null {
  const content = readOrNull(file)
  if (content === null) return null
  const parsed: unknown = JSON.parse(content)
  if (parsed === null || typeof parsed !== "object" || !("pid" in parsed) || typeof parsed.pid !== "number") return null
  const started = "started" in parsed && typeof parsed.started === "string" ? parsed.started : null
  return { pid: parsed.pid, started }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false
  }
  const now = describeProcess(pid).started
  return started === null || now === null || started === now
}

function describeProcess(pid: number): Holder {
  const boot = readOrNull("/proc/sys/kernel/random/boot_id")
  const stat = readOrNull(`/proc/${pid}/stat`)
  // The name, in brackets, may hold anything; the start time is the 20th field behind it.
  const startTicks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
  return { pid, started: boot === null || startTicks === undefined ? null : `${boot.trim()} ${startTicks}` }
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8")
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null
    throw error
  }
}
