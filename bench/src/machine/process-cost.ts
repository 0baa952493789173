import { readdirSync, readFileSync, readlinkSync } from "node:fs"

/** Of `/proc/<pid>/stat`: the kernel gives times in units of 1/100 s to every program, whatever it counts in itself. */
const microsPerTick = 10_000

interface ProcessTimes {
  parent: number
  /** CPU time of all threads, in user and kernel mode; exact to 10 ms. */
  ownMicros: number
  /** The same of the children that ended. */
  endedChildrenMicros: number
}

/** CPU time that a process used so far, all its threads counted, in µs; exact where the kernel keeps scheduler statistics, else to 10 ms. */
export function cpuMicros(pid: number): number {
  const times = timesOf(pid)
  if (times === null) throw new Error(`process ${pid} has ended`)
  return exactMicros(pid) ?? times.ownMicros
}

/** The same of a process and its children, those that ended counted in. */
export function treeCpuMicros(pid: number): number {
  const times = timesOf(pid)
  if (times === null) throw new Error(`process ${pid} has ended`)
  let micros = (exactMicros(pid) ?? times.ownMicros) + times.endedChildrenMicros
  for (const child of childrenOf(pid)) micros += exactMicros(child) ?? timesOf(child)?.ownMicros ?? 0
  return micros
}

/** Processes whose parent is this one. */
export function childrenOf(pid: number): number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  return all.map(Number).filter((other) => timesOf(other)?.parent === pid)
}

/** How many sockets a process has open, of whatever kind. */
export function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => readlinkSync(`${folder}/${name}`).startsWith("socket:")).length
}

/** Resident memory, in KiB. */
export function residentKib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  if (line === null) throw new Error(`process ${pid} has no resident memory`)
  return Number(line[1])
}

/** How many files and sockets this process may have open. */
export function openFilesMax(): number {
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
  return limit === undefined || limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit)
}

/** Time on a CPU of the threads that live, in ns by the scheduler; null where it keeps none, or the process ended. */
function exactMicros(pid: number): number | null {
  let nanos = 0
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0])
    }
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
  return nanos === 0 ? null : nanos / 1000
}

/** Null when there is no such process (any more). */
function timesOf(pid: number): ProcessTimes | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch (error) {
    if (isGone(error)) return null
    throw error
  }
  // The second field is the program's name, in brackets, and may hold anything; the fields after it are numbered from 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const field = (number: number) => Number(fields[number - 3])
  return {
    parent: field(4),
    ownMicros: (field(14) + field(15)) * microsPerTick,
    endedChildrenMicros: (field(16) + field(17)) * microsPerTick,
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")
}
