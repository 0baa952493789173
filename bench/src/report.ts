import { execFileSync } from "node:child_process"
import { arch, cpus, platform, release, totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import type { BurstFigures } from "./burst.ts"
import type { IdleFigures } from "./idle.ts"
import type { PacedFigures } from "./paced.ts"
import { round } from "./statistics.ts"

/** What a run of the bench found; a scenario that did not run is missing. */
export interface Figures {
  burst?: BurstFigures
  paced?: PacedFigures
  idle?: IdleFigures
}

export interface Report {
  machine: Record<string, string | number>
  /** Null outside a git repository; ends in `+` where files differ from the commit. */
  commit: string | null
  figures: Figures
  /** Engine ÷ bare relay; `idle_socket` at as many sockets as the figures say. */
  ratios: { burst_turn?: number; paced_token?: number; idle_socket?: number }
}

export function reportOf(figures: Figures, database: string): Report {
  const { burst, paced, idle } = figures
  return {
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memory_gib: round(totalmem() / 2 ** 30, 1),
      os: `${platform()} ${release()} ${arch()}`,
      node: process.version,
      database,
    },
    commit: commit(),
    figures,
    ratios: {
      ...(burst && { burst_turn: burst.ratio }),
      ...(paced && { paced_token: paced.ratio }),
      ...(idle && { idle_socket: idle.ratio }),
    },
  }
}

/** The report as a table for people. */
export function tableOf({ machine, commit, figures }: Report): string {
  const { burst, paced, idle } = figures
  const rows = [["", "engine", "bare relay", "ratio"]]
  if (burst) {
    const { engine, relay, ratio } = burst
    rows.push(["burst: CPU µs per turn", `${engine.cpu_us_per_turn}`, `${relay.cpu_us_per_turn}`, `${ratio}`])
    rows.push(["burst: CPU µs per token", `${engine.cpu_us_per_token}`, `${relay.cpu_us_per_token}`, `${ratio}`])
    rows.push(["burst: database CPU µs per turn", `${engine.database_us_per_turn ?? "in the engine's"}`, "–", ""])
    rows.push(["burst: round trips per turn", `${engine.round_trips?.per_turn ?? "not counted"}`, "–", ""])
    rows.push(["burst: turns per second (wall)", `${engine.turns_per_second}`, `${relay.turns_per_second}`, ""])
  }
  if (paced) {
    const { engine, relay, ratio, added_first_token_ms: added } = paced
    const both = ({ p50, p99 }: { p50: number; p99: number }) => `${p50} / ${p99}`
    rows.push(["paced: CPU µs per token", `${engine.cpu_us_per_token}`, `${relay.cpu_us_per_token}`, `${ratio}`])
    rows.push(["paced: first token ms p50 / p99", both(engine.first_token_ms), both(relay.first_token_ms), ""])
    rows.push(["paced: added by the engine, ms", both(added), "", ""])
    rows.push(["paced: token latency ms p50 / p99", both(engine.token_ms), both(relay.token_ms), ""])
  }
  if (idle) {
    const { engine, relay, ratio, sockets } = idle
    const name = `idle: KiB per socket at ${sockets}`
    rows.push([name, `${engine.kib_per_socket}`, `${relay.kib_per_socket}`, `${ratio}`])
  }
  const { cpu, cores, memory_gib, os, node, database } = machine
  const head = `${cpu}, ${cores} cores, ${memory_gib} GiB, ${os}, Node.js ${node}\n${database}\ncommit ${commit ?? "unknown"}`
  return `${head}\n\n${aligned(rows)}`
}

function aligned(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join("  ")
  return rows.map(line).join("\n")
}

function commit(): string | null {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim()
  try {
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") === "" ? "" : "+")
  } catch {
    // No git, or no repository: the figures stand without it.
    return null
  }
}
