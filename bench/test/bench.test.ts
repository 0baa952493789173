import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, onTestFinished, test } from "vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const tiny = ["--turns", "2", "--sockets", "4", "--rounds", "1", "--scenario", "burst", "--json"]

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
    expect(report.ratios).toEqual({ burst_turn: report.figures.burst.ratio })
    expect(report.figures.burst).toMatchObject({
      sockets: 4,
      turns: 2,
      rounds: 1,
      tokens: 200,
      engine: { rounds: [report.figures.burst.engine.cpu_us_per_turn] },
      relay: { rounds: [report.figures.burst.relay.cpu_us_per_turn] },
    })
    expect(readdirSync(run.folder)).toEqual([])
  })

  test("fails when the text that arrives is not the model's", async () => {
    const { code, stdout, stderr } = await start(tiny, { BENCH_WRONG_TEXT: "yes" }).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/The bench failed: wrong text in the answer to "engine, warm-up, socket \d, turn 0 /)
    expect(stdout).toBe("")
  })

  test("paced and idle give their ratios, on the embedded database too", async () => {
    const small = ["--streams", "3", "--tokens", "50", "--rounds", "1", "--idle-sockets", "5"]
    const args = ["--scenario", "paced", "--scenario", "idle", "--database", "embedded", "--json"]
    const { code, stdout, stderr } = await start([...args, ...small]).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("embedded") })
    const { figures, ratios } = JSON.parse(stdout.trim().split("\n").at(-1)!)
    expect(ratios).toEqual({ paced_token: figures.paced.ratio, idle_socket: figures.idle.ratio })
    expect(figures.paced).toMatchObject({ streams: 3, tokens_per_second: 50 })
    expect(figures.paced.engine.token_ms.p50).toBeGreaterThan(0)
    expect(figures.paced.engine.first_token_ms.p50).toBeGreaterThan(0)
    expect(figures.idle.sockets).toBe(5)
  })

  test.each(["SIGINT", "SIGTERM"] as const)("leaves no process and no file behind on %s", async (signal) => {
    const run = start(["--scenario", "burst", "--turns", "9999"])
    await run.said("burst: round 1")
    const children = descendants(run.child.pid!)
    expect(children.length).toBeGreaterThanOrEqual(3)
    run.child.kill(signal)
    const { code, stderr } = await run.ended
    expect(code).toBe(signal === "SIGINT" ? 130 : 143)
    expect(stderr).not.toContain("failed")
    expect(children.filter((pid) => parentOf(String(pid)) !== null)).toEqual([])
    expect(readdirSync(run.folder)).toEqual([])
  })

  test.each([
    [["--quik"], "Unknown option '--quik'"],
    [["--rounds", "0"], "--rounds must be a whole number from 1 to 99999."],
    [["--scenario", "burts"], "--scenario must be one of burst, paced, idle."],
    [["now"], "Unexpected argument 'now'"],
  ])("refuses %j in a sentence", async (args, sentence) => {
    const { code, stdout, stderr } = await start(args).ended
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(sentence)
    expect(stderr).not.toContain("    at ")
  })
})
