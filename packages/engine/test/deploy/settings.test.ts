import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parse } from "yaml"
import { environment } from "../../src/core/config-variables.ts"
import { readConfig } from "../../src/core/config.ts"
import { repository } from "./dockerfile.ts"
import { readToml } from "./toml.ts"

const known = Object.keys(environment.shape)
const secrets = {
  DATABASE_URL: "postgresql://postgres.abc:password@pooler.example:5432/postgres",
  SUPABASE_URL: "https://abc.supabase.co",
  OPENAI_API_KEY: "sk-0123456789",
}
const deploy = join(repository, "deploy")

describe("fly.toml", () => {
  const fly = readToml(readFileSync(join(deploy, "fly.toml"), "utf8"))

  test("asks for what the contract names: 1 GB, /health, 30 s of grace, a rolling deploy", () => {
    expect(fly).toMatchObject({
      kill_signal: "SIGTERM",
      build: { dockerfile: "Dockerfile" },
      deploy: { strategy: "rolling", release_command: "node packages/engine/bin/grizz.js migrate" },
      http_service: {
        internal_port: 8000,
        auto_stop_machines: "off",
        concurrency: { type: "connections" },
        checks: [{ method: "GET", path: "/health", grace_period: "30s" }],
      },
      vm: [{ memory: "1gb" }],
    })
    expect(existsSync(join(deploy, "Dockerfile"))).toBe(true)
    expect(existsSync(join(repository, "packages/engine/bin/grizz.js"))).toBe(true)
  })

  test("has settings that `grizz serve` takes, and leaves it longer than its drain", () => {
    const env = toEnvironment(fly.env)
    expect(known).toEqual(expect.arrayContaining(Object.keys(env)))
    const { http } = readConfig({ ...env, ...secrets }, "serve")
    expect(fly.http_service).toMatchObject({ internal_port: http.port })
    expect(toMs(fly.kill_timeout)).toBeGreaterThanOrEqual(http.drainTimeoutMs + 5000)
  })
})

test("a line of fly.toml that is not understood is not passed over", () => {
  expect(readToml('a = 1\n[b.c]\nd = "e" \n[[f]]\ng = [true]\n[[f]]')).toEqual({
    a: 1,
    b: { c: { d: "e" } },
    f: [{ g: [true] }, {}],
  })
  for (const bad of ["a", "a = ", "a = b", "[a", "a = 1\na = 2", "[a]\n[a]", "a = 1\n[a.b]"])
    expect(() => readToml(bad)).toThrow(/not understood|not valid JSON|twice|as a table/)
})

interface Service {
  image?: string
  build?: { context: string; dockerfile: string }
  command?: string[]
  environment?: Record<string, string>
  depends_on?: Record<string, { condition: string }>
  read_only?: boolean
  stop_grace_period?: string
  volumes?: string[]
  configs?: { source: string }[]
  ports?: string[]
}

interface Compose {
  services: Record<string, Service>
  configs: Record<string, { content: string }>
  volumes: Record<string, null>
}

describe("compose.yaml", () => {
  const text = readFileSync(join(deploy, "compose.yaml"), "utf8")
  const given: Record<string, string> = { ...secrets, POSTGRES_PASSWORD: "0123456789" }
  // As Compose does: a default after `:-`, a complaint after `:?`.
  const filled = text.replace(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_, name: string, _kind, fallback = "") => given[name] ?? fallback,
  )
  const compose: Compose = parse(filled, { merge: true })
  const engines = ["engine-1", "engine-2", "migrate"].map((name) => compose.services[name])

  test("has two engines, PostgreSQL, Redis, a migration and a balancer", () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      "balancer",
      "engine-1",
      "engine-2",
      "migrate",
      "postgres",
      "redis",
    ])
    expect(compose.services["engine-1"]).toEqual(compose.services["engine-2"])
  })

  test("wants a password to be set, and no other variable", () => {
    const required = [...text.matchAll(/\$\{(\w+)(:?[-?])?/g)]
      .filter(([, , kind]) => kind !== ":-")
      .map(([, name]) => name)
    expect(new Set(required)).toEqual(new Set(["POSTGRES_PASSWORD"]))
  })

  test("gives the engines settings that `grizz serve` takes, and longer than their drain", () => {
    for (const engine of engines) {
      expect(known).toEqual(expect.arrayContaining(Object.keys(engine?.environment ?? {})))
      const { http, database } = readConfig(engine?.environment ?? {}, "serve")
      expect(http).toMatchObject({ host: "0.0.0.0", port: 8000 })
      expect(toMs(engine?.stop_grace_period)).toBeGreaterThanOrEqual(http.drainTimeoutMs + 5000)
      // PostgreSQL takes 100 unless told otherwise.
      expect(2 * (database.poolSize + database.maxOverflow)).toBeLessThan(100)
      expect(engine?.read_only).toBe(true)
      const { context = "", dockerfile = "" } = engine?.build ?? {}
      expect(existsSync(join(deploy, context, dockerfile))).toBe(true)
    }
    expect(compose.services.migrate?.command).toEqual(["node", "packages/engine/bin/grizz.js", "migrate"])
  })

  test("names nothing that it does not have", () => {
    for (const service of Object.values(compose.services)) {
      expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(Object.keys(service.depends_on ?? {})))
      const volumes = (service.volumes ?? []).map((volume) => volume.split(":")[0])
      expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(volumes))
      const configs = (service.configs ?? []).map(({ source }) => source)
      expect(Object.keys(compose.configs)).toEqual(expect.arrayContaining(configs))
    }
  })

  test("starts the engines when the migration is done, and the balancer when both are healthy", () => {
    expect(compose.services["engine-1"]?.depends_on).toMatchObject({
      migrate: { condition: "service_completed_successfully" },
    })
    expect(compose.services.migrate?.depends_on).toEqual({ postgres: { condition: "service_healthy" } })
    expect(compose.services.balancer?.depends_on).toEqual({
      "engine-1": { condition: "service_healthy" },
      "engine-2": { condition: "service_healthy" },
    })
  })

  test("balances over both engines, by readiness, and is reached from this machine alone", () => {
    const caddyfile = compose.configs.caddyfile?.content ?? ""
    expect(caddyfile).toContain("reverse_proxy engine-1:8000 engine-2:8000 {")
    expect(caddyfile).toContain("health_uri /ready")
    expect(caddyfile.split("{")).toHaveLength(caddyfile.split("}").length)
    expect(compose.services.balancer?.ports).toEqual(["127.0.0.1:8000:8000"])
  })
})

function toEnvironment(table: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(table ?? {}).map(([name, value]) => [name, String(value)]))
}

function toMs(duration: unknown): number {
  const seconds = /^(\d+)s$/.exec(String(duration))?.[1]
  return Number(seconds) * 1000
}
