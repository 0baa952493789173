import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type RequestListener, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { migrate } from "../../src/db/migrate.ts"
import { startOfflineModel } from "../../src/llm/offline-model.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { freePort, GrizzProcess } from "../support/grizz-process.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { startTransactionPooler } from "../support/transaction-pooler.ts"
import { kindsWithoutVectors } from "../support/vector-kinds.ts"

interface Report {
  code: number | null
  output: string
  /** Verdicts and sentences by name, in order. */
  lines: string[]
}

let cwd: string
const open: Server[] = []

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "grizz-doctor-"))
})
afterAll(() => rm(cwd, { recursive: true }))
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.close()
    server.closeAllConnections()
    await once(server, "close")
  }
})

async function examine(env: Record<string, string>, args: string[] = []): Promise<Report> {
  const grizz = new GrizzProcess({ args: ["doctor", ...args], cwd, env })
  const { code } = await grizz.exited
  const lines = grizz.output.trim().split("\n")
  for (const line of lines) expect(line).toMatch(/^(?:ok {2}|warn|fail) {2}\S.*/)
  expect(grizz.output).not.toMatch(/^\s+at /m)
  return { code, output: grizz.output, lines }
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  open.push(server)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return `http://127.0.0.1:${address.port}`
}

describe("grizz doctor", () => {
  test("on defaults finds nothing that fails, and says what is for development", async () => {
    const { code, output } = await examine({})
    expect(code).toBe(0)
    expect(output).toMatch(/^ok +configuration/m)
    expect(output).toMatch(/^warn {2}database .*DATABASE_URL/m)
    expect(output).toMatch(/^warn {2}sign-in .*SUPABASE_URL/m)
    expect(output).toMatch(/^warn {2}model .*OPENAI_API_KEY/m)
    expect(output).toMatch(/^(?:ok {2}|warn) {2}open files/m)
  })

  test("names every bad variable, and no value", async () => {
    const { code, lines, output } = await examine({ PORT: "eighty", SUPABASE_JWT_SECRET: "too short" })
    expect(code).toBe(1)
    expect(lines).toHaveLength(2)
    expect(output).toMatch(/^fail {2}configuration {2}PORT must be/m)
    expect(output).toMatch(/^fail {2}configuration {2}SUPABASE_JWT_SECRET must be/m)
    expect(output).not.toContain("too short")
  })

  test("a model that takes the key and has the model is fine", async () => {
    const model = await startOfflineModel()
    const env = {
      OPENAI_BASE_URL: model.baseUrl,
      OPENAI_API_KEY: "sk-of-the-tests-123",
      OPENAI_MODEL: "grizz-offline-1",
    }
    const good = await examine(env)
    expect(good.output).toMatch(/^ok +model +.*grizz-offline-1/m)
    expect(good.output).toMatch(/^ok +model clock/m)
    const other = await examine({ ...env, OPENAI_MODEL: "another" })
    expect(other.output).toMatch(/^warn {2}model .*another.*OPENAI_MODEL/m)
    expect(other.code).toBe(0)
    await model.close()
  })

  test("an embeddings model is asked, and what it needs is said", async () => {
    const OPENAI_BASE_URL = `${await serve((request, response) => {
      if (request.url !== "/v1/embeddings") return void response.writeHead(404).end()
      response.setHeader("content-type", "application/json").end('{"data":[{"index":0,"embedding":[3,4]}]}')
    })}/v1`
    const good = await examine({ OPENAI_BASE_URL, EMBEDDINGS_MODEL: "small" })
    expect(good.output).toMatch(/^(?:ok|warn) +embeddings +small answers with 2 dimensions in \d+ ms/m)
    const away = await serve((_, response) => response.writeHead(500).end())
    const bad = await examine({ OPENAI_BASE_URL: `${away}/v1`, EMBEDDINGS_MODEL: "small" })
    expect(bad.output).toMatch(/^warn {2}embeddings +small cannot be used: .*500.* — .*EMBEDDINGS_MODEL/m)
    const offline = await examine({ EMBEDDINGS_MODEL: "small" })
    expect(offline.output).toMatch(/^warn {2}configuration .*EMBEDDINGS_MODEL.* — .*OPENAI_BASE_URL/m)
    expect(offline.output).not.toMatch(/^\w+ +embeddings/m)
  })

  test.each<[string, RequestListener, RegExp]>([
    [
      "a refused key",
      (_, response) => response.writeHead(401).end('{"error":"sk-of-the-tests-123"}'),
      /fail {2}model .*OPENAI_API_KEY/,
    ],
    ["what is no model", (_, response) => response.end("<html>"), /fail {2}model .*OPENAI_BASE_URL/],
    ["a server in trouble", (_, response) => response.writeHead(500).end(), /fail {2}model .*500/],
    ["a model without a list", (_, response) => response.writeHead(404).end(), /warn {2}model .*lists no models/],
    [
      "a clock that is far off",
      (_, response) => response.setHeader("date", new Date(Date.now() - 600_000).toUTCString()).end('{"data":[]}'),
      /fail {2}model clock .*(?:599|600|601) s ahead/,
    ],
  ])("%s is told, without the key", async (_, listener, expected) => {
    const OPENAI_BASE_URL = `${await serve(listener)}/v1`
    const { output, code } = await examine({ OPENAI_BASE_URL, OPENAI_API_KEY: "sk-of-the-tests-123" })
    expect(output).toMatch(expected)
    expect(code).toBe(String(expected).includes("fail") ? 1 : 0)
    expect(output).not.toContain("sk-of-the-tests-123")
  })

  test("dead ports of the model, the database, Redis and the keys are each a line with a remedy", async () => {
    const dead = `127.0.0.1:${await freePort()}`
    const { code, output } = await examine({
      OPENAI_BASE_URL: `http://${dead}/v1`,
      DATABASE_URL: `postgres://grizz:hunter2hunter2@${dead}/grizz`,
      REDIS_URL: `redis://:hunter2hunter2@${dead}`,
      SUPABASE_URL: `http://${dead}`,
    })
    expect(code).toBe(1)
    for (const name of ["model", "database", "redis", "sign-in"]) {
      expect(output).toMatch(new RegExp(`^fail {2}${name} .*ECONNREFUSED.* — .+`, "m"))
    }
    expect(output).not.toContain("hunter2")
  })

  test.each<[string, string, RegExp]>([
    ["keys", '{"keys":[{"kty":"EC","alg":"ES256"}]}', /ok +sign-in .*1 key /],
    ["no key", '{"keys":[]}', /fail {2}sign-in .*SUPABASE_JWT_SECRET/],
    ["no key set", '{"hello":1}', /fail {2}sign-in .*SUPABASE_URL/],
    ["HTML", "<html>", /fail {2}sign-in .*SUPABASE_URL/],
  ])("a project that publishes %s is judged so", async (_, body, expected) => {
    const { output } = await examine({ SUPABASE_URL: await serve((__, response) => response.end(body)) })
    expect(output).toMatch(expected)
  })
})

const withoutServer = missingServer === null ? "" : `: ${missingServer}`
describe.skipIf(missingServer !== null)(`grizz doctor on a server${withoutServer}`, () => {
  let url: string
  let drop: () => Promise<void>
  beforeAll(async () => {
    ;({ url, drop } = await createServerDatabase())
  })
  afterAll(() => drop())

  async function administrate(sql: string): Promise<void> {
    const client = new Client(url)
    await client.connect()
    await client.query(sql)
    await client.end()
  }

  function as(role: string, password = "hunter2hunter2"): string {
    const other = new URL(url)
    other.username = role
    other.password = password
    return other.href
  }

  test("tells what is pending, then that all is well, and changes nothing itself", async () => {
    const before = await examine({ DATABASE_URL: url })
    expect(before.code).toBe(0)
    expect(before.output).toMatch(/^warn {2}migrations .*0001.*grizz migrate/m)
    const again = await examine({ DATABASE_URL: url })
    expect(again.output).toMatch(/^warn {2}migrations .*0001/m)
    const database = openServerDatabase(url)
    await migrate(database)
    await database.close()
    const { code, output } = await examine({ DATABASE_URL: url })
    expect(code).toBe(0)
    expect(output).toMatch(/^ok +database +PostgreSQL \d+/m)
    expect(output).toMatch(/^ok +migrations/m)
    expect(output).toMatch(/^ok +pooler/m)
    expect(output).toMatch(/^ok +connections .*15 of the \d+ .* nodes/m)
    expect(output).toMatch(/^ok +database TLS/m)
    expect(output).toMatch(/^ok +clock/m)
    expect(output).toMatch(/extensions/)
    const wished = await examine({
      DATABASE_URL: url,
      OPENAI_BASE_URL: "http://127.0.0.1:1/v1",
      EMBEDDINGS_MODEL: "small",
    })
    const isAbsent = kindsWithoutVectors.length > 0
    const verdict = isAbsent ? /^warn {2}extensions +pgvector is not .*EMBEDDINGS_MODEL/m : /^\w+ +extensions/m
    expect(wished.output).toMatch(verdict)
    // The run's own server does not sync, and its only role may do everything.
    expect(output).toMatch(/^warn {2}database +fsync is off/m)
    expect(output).toMatch(/^warn {2}database role .*superuser/m)
  })

  test("a role that may not work is a failure; one that is the engine's is fine", async () => {
    await administrate("create role doctor_stranger login; create role doctor_engine login in role grizz_engine")
    // All the grants, and yet row-level security would show it nothing.
    await administrate("grant all on public.conversations, public.messages to doctor_stranger")
    const stranger = await examine({ DATABASE_URL: as("doctor_stranger") })
    expect(stranger.output).toMatch(/^fail {2}database role .*doctor_stranger.*grizz_engine/m)
    expect(stranger.code).toBe(1)
    const engine = await examine({ DATABASE_URL: as("doctor_engine") })
    expect(engine.output).toMatch(/^ok +database role/m)
    expect(engine.code).toBe(0)
    await administrate("drop owned by doctor_stranger, doctor_engine; drop role doctor_stranger, doctor_engine")
  })

  test("more connections than the server has are a failure", async () => {
    const { output, code } = await examine({ DATABASE_URL: url, DB_POOL_SIZE: "900" })
    expect(output).toMatch(/^fail {2}connections .*905.*DB_POOL_SIZE/m)
    expect(code).toBe(1)
  })

  test("the pools of all workers are counted, and whether each has a core", async () => {
    const env = { DATABASE_URL: url, REDIS_URL: "redis://127.0.0.1:1", DB_POOL_SIZE: "2", DB_MAX_OVERFLOW: "0" }
    const few = await examine(env, ["--workers", "1"])
    expect(few.output).toMatch(/^ok +connections +A node of 1 workers takes up to 2 /m)
    expect(few.output).toMatch(/^ok +workers +1 on /m)
    const many = await examine(env, ["--workers", "64"])
    expect(many.output).toMatch(/^(?:fail|warn) {2}connections +A node of 64 workers takes up to 128 /m)
    expect(many.output).toMatch(/^warn {2}workers +64 on .* — .*--workers$/m)
  })

  test("a transaction pooler in between is a failure", async () => {
    const pooler = await startTransactionPooler(Number(new URL(url).port))
    const pooled = new URL(url)
    pooled.port = String(pooler.port)
    const { output, code } = await examine({ DATABASE_URL: pooled.href })
    expect(output).toMatch(/^fail +pooler .*transaction pooler.*5432/m)
    expect(code).toBe(1)
    await pooler.close()
  })

  test("a database that does not exist, and TLS that the server has not, are told", async () => {
    const missing = new URL(url)
    missing.pathname = "/nowhere"
    expect((await examine({ DATABASE_URL: missing.href })).output).toMatch(/^fail {2}database .*create that database/m)
    expect((await examine({ DATABASE_URL: `${url}?sslmode=no-verify` })).output).toMatch(/^fail {2}database .*SSL/m)
  })

  test("a read-only server is a failure", async () => {
    await administrate(`alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`)
    const { output, code } = await examine({ DATABASE_URL: url })
    expect(output).toMatch(/^fail {2}database +It is read-only/m)
    expect(code).toBe(1)
  })
})

const hasRedis = findRedisServer() !== null
const withoutRedis = hasRedis ? "" : ": no redis-server found"
describe.skipIf(!hasRedis)(`grizz doctor with Redis${withoutRedis}`, () => {
  test("judges its version, whether it stores, its memory and its password", async () => {
    const redis = await RedisServer.start()
    const good = await examine({ REDIS_URL: redis.url })
    expect(good.output).toMatch(/^ok +redis +Redis \d/m)
    expect(good.output).toMatch(/^ok +redis memory .*noeviction/m)
    expect(good.output).toMatch(/^ok +redis store /m)
    await redis.admin.config("SET", "maxmemory", "1")
    expect((await examine({ REDIS_URL: redis.url })).output).toMatch(/^fail {2}redis store .*OOM.* — .*maxmemory/m)
    await redis.admin.config("SET", "maxmemory", "0")
    await redis.admin.config("SET", "maxmemory-policy", "allkeys-lru")
    expect((await examine({ REDIS_URL: redis.url })).output).toMatch(/^warn {2}redis memory .*allkeys-lru/m)
    await redis.admin.config("SET", "requirepass", "hunter2hunter2")
    const wrong = await examine({ REDIS_URL: redis.url.replace("://", "://:wrongwrongwrong@") })
    expect(wrong.output).toMatch(/^fail {2}redis .*WRONGPASS/m)
    expect(wrong.output).not.toContain("wrongwrongwrong")
    await redis.stop()
  })
})
