import { readdirSync, readFileSync } from "node:fs"

/** Of `/proc/<pid>/stat`: the kernel gives times in units of 1/100 s to every program, whatever it counts in itself. */
const microsPerTick = 10_000

interface ProcessTimes {
  parent: number
  /** CPU time of all threads, in user and kernel mode. */
  ownMicros: number
  /** The same of the children that ended. */
  endedChildrenMicros: number
}

/** CPU time that a process used so far, all its threads counted, in µs; exact to 10 ms. */
export function cpuMicros(pid: number): number {
  const times = timesOf(pid)
  if (times === null) throw new Error(`process ${pid} has ended`)
  return times.ownMicros
}

/** The same of a process and its children, those that ended counted in. */
export function treeCpuMicros(pid: number): number {
  const { ownMicros, endedChildrenMicros } = timesOf(pid) ?? { ownMicros: 0, endedChildrenMicros: 0 }
  let micros = ownMicros + endedChildrenMicros
  for (const name of readdirSync("/proc")) {
    const child = /^\d+$/.test(name) ? timesOf(Number(name)) : null
    if (child?.parent === pid) micros += child.ownMicros
  }
  return micros
}

/** Resident memory, in KiB. */
export function residentKib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  if (line === null) throw new Error(`process ${pid} has no resident memory`)
  return Number(line[1])
}

/** Null when there is no such process (any more). */
function timesOf(pid: number): ProcessTimes | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")
    if (isGone) return null
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
