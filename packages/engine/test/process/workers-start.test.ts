import { once } from "node:events"
import { createServer } from "node:net"
import { afterEach, describe, expect, test } from "vitest"
import { createServerDatabase, missingServer } from "../support/database-kinds.ts"
import { freePort, GrizzProcess } from "../support/grizz-process.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"

const secret = { SUPABASE_JWT_SECRET: "x".repeat(32) }
const processes: GrizzProcess[] = []

afterEach(() => Promise.all(processes.splice(0).map((one) => one.end())))

function serve(args: string[], env: Record<string, string>): GrizzProcess {
  const all = ["serve", "--host", "127.0.0.1", "--offline-model", ...args]
  const grizz = new GrizzProcess({ args: all, cwd: "/", env: { ...secret, ...env } })
  processes.push(grizz)
  return grizz
}

describe("grizz serve --workers is refused in a sentence", () => {
  const whole = { DATABASE_URL: "postgres://grizz@127.0.0.1:1/grizz", REDIS_URL: "redis://127.0.0.1:1" }

  test.each(["REDIS_URL", "DATABASE_URL"])("without %s", async (name) => {
    const grizz = serve(["--workers", "2"], { ...whole, [name]: "" })
    expect((await grizz.exited).code).toBe(1)
    expect(grizz.output).toMatch(
      new RegExp(`^The configuration is not right:\n${name} must be set for --workers: .+\n$`),
    )
  })

  test.each(["0", "65", "two", "-1", ""])("with %j workers", async (workers) => {
    const grizz = serve([`--workers=${workers}`], whole)
    expect((await grizz.exited).code).toBe(1)
    expect(grizz.output).toBe("The configuration is not right:\n--workers must be a whole number from 1 to 64\n")
  })

  test("by grizz start, which is one process", async () => {
    const grizz = new GrizzProcess({ args: ["start", "--workers", "2"], cwd: "/" })
    processes.push(grizz)
    expect((await grizz.exited).code).toBe(2)
    expect(grizz.output).toMatch(/^--workers is an option of grizz serve\.\n$/)
  })

  test("when the database does not answer, before any worker is started", async () => {
    const grizz = serve(["--workers", "2"], { ...whole, LOG_LEVEL: "silent" })
    expect((await grizz.exited).code).toBe(1)
    expect(grizz.output.trim().split("\n")).toHaveLength(1)
    expect(grizz.output).toMatch(/database/)
  })
})

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
describe.skipIf(missing !== null)(`grizz serve --workers on a new database${missing ? `: ${missing}` : ""}`, () => {
  test("migrates once before any worker begins, and says once that its port is taken", async () => {
    const redis = await RedisServer.start()
    const { url, drop } = await createServerDatabase()
    const env = { DATABASE_URL: url, REDIS_URL: redis.url }
    const port = await freePort()
    const grizz = serve(["--workers", "3", "--port", String(port)], env)
    await grizz.until(/all workers serve/)
    const lines = grizz.output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines.filter(({ msg }) => msg === "migrated the database")).toHaveLength(1)
    expect(lines[0]).toMatchObject({ msg: "migrated the database" })
    expect(lines[0]).not.toHaveProperty("worker")
    expect(lines.filter(({ msg }) => /offline model/.test(msg))).toHaveLength(1)
    const listening = lines.filter(({ msg }) => msg.startsWith("Server listening"))
    expect(listening.map(({ worker }) => worker).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
    grizz.kill("SIGTERM")
    expect(await grizz.exited).toEqual({ code: 0, signal: null })

    const holder = createServer().listen(port, "127.0.0.1")
    await once(holder, "listening")
    const refused = serve(["--workers", "3", "--port", String(port)], { ...env, LOG_LEVEL: "silent" })
    expect((await refused.exited).code).toBe(1)
    expect(refused.output).toMatch(new RegExp(`^Port ${port} on 127.0.0.1 is taken\\. .*\n$`))
    holder.close()
    await drop()
    await redis.stop()
  }, 60_000)
})
