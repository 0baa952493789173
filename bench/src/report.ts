import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { arch, cpus, platform, release, totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import type { Outcome, Report } from "./figures.ts"
import { round } from "./statistics.ts"

/** What was found, with where; `database` says for people which one it was. */
export function reportOf(outcomes: ReadonlyMap<string, Outcome>, database: string): Report {
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
    figures: Object.fromEntries([...outcomes].map(([name, { figures }]) => [name, figures])),
    ratios: Object.assign({}, ...[...outcomes.values()].map(({ ratios }) => ratios)),
  }
}

/** The report in what `--json` printed: the last line of it. @throws Error with a sentence when there is none */
export function readReport(file: string): Report {
  const line = readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? ""
  const report = parse(line)
  if (report === null) throw new Error(`the last line of ${file} is no report of the bench: was it run with --json?`)
  return report
}

function parse(line: string): Report | null {
  try {
    const value: Partial<Report> | null = JSON.parse(line)
    if (value?.machine === undefined || value.figures === undefined || value.ratios === undefined) return null
    return { machine: value.machine, commit: value.commit ?? null, figures: value.figures, ratios: value.ratios }
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
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
