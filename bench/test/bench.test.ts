import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, onTestFinished, test } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const tiny = ["--only", "burst", "--scale", "0.04", "--rounds", "1", "--json"]

interface Run {
  child: ChildProcess
  /** Where it may put its files. */
  folder: string
  /** Resolves when it says this on stderr, whether or not it said it before. */
  said(text: string): Promise<void>
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

function start(args: string[], env: Record<string, string> = {}): Run {
  const folder = mkdtempSync(join(tmpdir(), "grizz-bench-test-"))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  // PostgreSQL does not run as root, and its own user has to get in.
  chmodSync(folder, 0o711)
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env["PATH"], TMPDIR: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  onTestFinished(() => void child.kill("SIGTERM"))
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => (stdout += String(chunk)))
  child.stderr.on("data", (chunk) => (stderr += String(chunk)))
  const ended = once(child, "close").then(([code]) => ({ code: Number(code), stdout, stderr }))
  const said = async (text: string) => {
    while (!stderr.includes(text)) {
      await Promise.race([once(child.stderr, "data"), ended])
      if (child.exitCode !== null && !stderr.includes(text)) throw new Error(`the bench ended: ${stderr}`)
    }
  }
  return { child, folder, said, ended }
}

/** Processes whose parent is this one, the bench's own or their children. */
function descendants(pid: number): number[] {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number)
  return children.flatMap((child) => [child, ...descendants(child)])
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
  } catch {
    // It ended between the listing and the look.
    return null
  }
}

describe.runIf(process.platform === "linux")("the bench", () => {
  test("ends with one line of JSON: what was measured, where, and the ratios", async () => {
    const run = start(tiny)
    const { code, stdout, stderr } = await run.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("burst") })
    const report = JSON.parse(stdout.trim().split("\n").at(-1)!)
    expect(Object.keys(report)).toEqual(["machine", "commit", "figures", "ratios"])
    expect(report.machine).toMatchObject({ cores: expect.any(Number), node: process.version })
    const { setting, metrics, rounds } = report.figures.burst
    expect(setting).toEqual({ sockets: 2, turns: 1, tokens: 200, rounds: 2 })
    expect(metrics.cpu_us_per_turn).toMatchObject({ engine: expect.any(Number), relay: expect.any(Number) })
    const pairs = rounds.cpu_us_per_turn.engine.map((cpu: number, at: number) => cpu / rounds.cpu_us_per_turn.relay[at])
    expect(report.ratios.burst_turn).toBeCloseTo((pairs[0] + pairs[1]) / 2, 2)
    expect(readdirSync(run.folder)).toEqual([])
  })

  test("fails when the text that arrives is not the model's", async () => {
    const { code, stdout, stderr } = await start(tiny, { BENCH_WRONG_TEXT: "yes" }).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/The bench failed: wrong text in the answer to "engine, warm-up, socket \d, turn 0 /)
    expect(stdout).toBe("")
  })

  test("gives the ratios that count with --quick", async () => {
    // Of 50 idle sockets the relay's memory may not grow at all, and then there is no ratio: 500 always show.
    const args = ["--quick", "--scale", "0.1", "--tokens", "20", "--rounds", "1", "--json"]
    const { code, stdout, stderr } = await start(args).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("idle: engine") })
    const { figures, ratios } = JSON.parse(stdout.trim().split("\n").at(-1)!)
    const names = ["burst_turn", "paced_token", "paced_token_held", "idle_socket", "connect"]
    expect(Object.keys(ratios)).toEqual(names)
    for (const name of names) expect(ratios[name]).toBeGreaterThan(0)
    expect(figures.paced.metrics.token_ms.held.p50).toBeGreaterThan(0)
    expect(figures.paced.metrics.first_token_ms.engine.p50).toBeGreaterThan(0)
    expect(figures.idle.setting).toEqual({ sockets: "500" })
  })

  test("uses the embedded database when asked to, and says so", async () => {
    const { code, stdout, stderr } = await start([...tiny, "--database", "embedded"]).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("embedded PostgreSQL") })
    const { machine, figures } = JSON.parse(stdout.trim().split("\n").at(-1)!)
    expect(machine.database).toContain("embedded")
    expect(figures.burst.metrics.database_us_per_turn).toEqual({})
  })

  test.each(["SIGINT", "SIGTERM"] as const)("leaves no process and no file behind on %s", async (signal) => {
    const run = start(["--only", "burst", "--scale", "0.04", "--rounds", "99"])
    await run.said("burst: round 1")
    const children = descendants(run.child.pid!)
    expect(children.length).toBeGreaterThanOrEqual(3)
    run.child.kill(signal)
    // Under npm it comes twice.
    run.child.kill(signal)
    const { code, stderr } = await run.ended
    expect(code).toBe(signal === "SIGINT" ? 130 : 143)
    expect(stderr).not.toContain("failed")
    expect(children.filter((pid) => parentOf(String(pid)) !== null)).toEqual([])
    expect(readdirSync(run.folder)).toEqual([])
  })

  test("prints, compares and draws a report that was made before, without measuring", async () => {
    const run = start(["--help"])
    await run.ended
    const [old, now, chart] = ["old.json", "new.json", "chart.svg"].map((name) => join(run.folder, name))
    const report = (turn: number) => ({ machine: {}, commit: "abc", figures: {}, ratios: { burst_turn: turn } })
    writeFileSync(old!, `progress\n${JSON.stringify(report(0.8))}\n`)
    writeFileSync(now!, `${JSON.stringify(report(0.6))}\n`)
    const { code, stdout } = await start(["--from", now!, "--compare", old!, "--chart", chart!, "--json"]).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/ratios\.burst_turn +0\.8 +0\.6 +-25 %/)
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toEqual(report(0.6))
    expect(readFileSync(chart!, "utf8")).toMatch(/^<svg .*<\/svg>\n$/s)
  })

  test.each([
    [["--quik"], "Unknown option '--quik'"],
    [["--rounds", "0"], "--rounds must be a whole number from 1 to 99."],
    [["--scale", "2"], "--scale must be a number from 0.001 to 1."],
    [["--only", "burts"], "--only must be one of burst, paced, low, "],
    [["--only", "store", "--database", "embedded"], "The scenario store needs a PostgreSQL server"],
    [["now"], "Unexpected argument 'now'"],
  ])("refuses %j in a sentence", async (args, sentence) => {
    const { code, stdout, stderr } = await start(args).ended
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(sentence)
    expect(stderr).not.toContain("    at ")
  })

  test("says which file is no report before it measures anything", async () => {
    const { code, stderr } = await start(["--compare", main]).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^The bench failed: the last line of .*main\.ts is no report of the bench: was it run with --json\?\n$/,
    )
  })
})
