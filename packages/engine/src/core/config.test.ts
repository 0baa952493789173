import { describe, expect, test } from "vitest"
import { type Config, ConfigError, type ConfigFlags, configSecrets, readConfig, type StartMode } from "./config.ts"

type Environment = Record<string, string>

const served = {
  DATABASE_URL: "postgresql://grizz:a-long-password@db.example:5432/grizz",
  OPENAI_API_KEY: "sk-test-0123456789",
  SUPABASE_URL: "https://abc.supabase.co",
}

function refusal(env: Environment, mode: StartMode = "start", flags: ConfigFlags = {}): string {
  try {
    readConfig(env, mode, flags)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error("the configuration was accepted")
}

describe("an empty environment", () => {
  test("starts on embedded defaults, those of the contract", () => {
    expect(readConfig({}, "start")).toEqual({
      http: { host: "127.0.0.1", port: 8000, allowedOrigins: [], drainTimeoutMs: 20_000 },
      database: { url: null, poolSize: 10, maxOverflow: 5, recycleSeconds: 180, statementTimeoutMs: 15_000 },
      redisUrl: null,
      llm: {
        endpoint: null,
        model: "gpt-4.1-2025-04-14",
        embeddingsModel: null,
        connectTimeoutMs: 15_000,
        firstTokenTimeoutMs: 30_000,
        idleTimeoutMs: 30_000,
        totalTimeoutMs: 300_000,
        maxHoldMs: 60,
      },
      auth: { kind: "development" },
      chat: {
        contextMessages: 10,
        contextTokens: 8000,
        concurrentSends: "enqueue",
        replyMaxAttempts: 2,
        personaFile: null,
      },
      log: { level: "info" },
      workers: null,
      unused: [],
    } satisfies Config)
  })

  test("is refused by serve, which names everything that is missing at once", () => {
    const lines = refusal({}, "serve").split("\n")
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["SUPABASE_URL", "DATABASE_URL", "OPENAI_API_KEY"])
    expect(lines[0]).toContain("development sign-in")
  })

  test("is the same as one of empty strings and white space", () => {
    expect(readConfig({ PORT: "", DATABASE_URL: "", OPENAI_API_KEY: "  ", HOST: "\n" }, "start")).toEqual(
      readConfig({}, "start"),
    )
  })
})

describe("serve", () => {
  test("listens on every address", () => {
    expect(readConfig(served, "serve").http.host).toBe("0.0.0.0")
  })

  test("takes --offline-model for a model", () => {
    const { OPENAI_API_KEY: _, ...env } = served
    expect(refusal(env, "serve")).toBe("OPENAI_API_KEY or OPENAI_BASE_URL must be set (or give --offline-model)")
    expect(readConfig(env, "serve", { offlineModel: true }).llm.endpoint).toBeNull()
  })
})

describe("--workers", () => {
  const shared = { ...served, REDIS_URL: "redis://redis.example:6379" }

  test.each(["1", "2", "64"])("may be %s", (workers) => {
    expect(readConfig(shared, "serve", { workers }).workers).toBe(Number(workers))
  })

  test.each(["0", "65", "-1", "2.5", "two", "", " 2", "0x2", "1e1"])("may not be %j", (workers) => {
    expect(refusal(shared, "serve", { workers })).toBe("--workers must be a whole number from 1 to 64")
  })

  test.each(["REDIS_URL", "DATABASE_URL"])("needs %s, and says so in one line", (name) => {
    expect(refusal({ ...shared, [name]: "" }, "serve", { workers: "2" })).toMatch(
      new RegExp(`^${name} must be set for --workers: .+$`),
    )
  })
})

describe("the offline model", () => {
  test("is used only when key and URL are both unset", () => {
    const url = "http://127.0.0.1:11434/v1"
    expect(readConfig({ OPENAI_BASE_URL: `${url}/` }, "start").llm.endpoint).toEqual({ baseUrl: url, apiKey: null })
    expect(readConfig({ OPENAI_API_KEY: "sk-1" }, "start").llm.endpoint).toEqual({
      baseUrl: "https://api.openai.com/v1",
      apiKey: "sk-1",
    })
  })

  test("is not chosen by a flag that contradicts a key", () => {
    expect(refusal({ OPENAI_API_KEY: "sk-1" }, "start", { offlineModel: true })).toContain("--offline-model")
  })
})

describe("sign-in", () => {
  test.each(["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST"])("for development is had on %s", (HOST) => {
    expect(readConfig({ HOST }, "start").auth).toEqual({ kind: "development" })
  })

  test.each(["0.0.0.0", "::", "192.168.1.7", "localhost.evil.example", "example.com", "127.0.0.1.nip.io"])(
    "for development is refused on %s",
    (HOST) => {
      expect(refusal({ HOST })).toContain("SUPABASE_URL or SUPABASE_JWT_SECRET must be set to listen on")
    },
  )

  test("is Supabase's as soon as one of its two sources of keys is set", () => {
    const jwtSecret = "x".repeat(32)
    expect(readConfig({ SUPABASE_URL: "https://abc.supabase.co/", HOST: "0.0.0.0" }, "start").auth).toEqual({
      kind: "supabase",
      url: "https://abc.supabase.co",
      jwtSecret: null,
      audience: "authenticated",
      publishableKey: null,
    })
    expect(readConfig({ SUPABASE_JWT_SECRET: jwtSecret }, "start").auth).toMatchObject({ url: null, jwtSecret })
  })

  test("counts the secret in bytes", () => {
    expect(refusal({ SUPABASE_JWT_SECRET: "x".repeat(31) })).toBe("SUPABASE_JWT_SECRET must be at least 32 bytes long")
    expect(readConfig({ SUPABASE_JWT_SECRET: "é".repeat(16) }, "start").auth.kind).toBe("supabase")
  })

  test("refuses to give a secret key to every browser", () => {
    const claims = Buffer.from(JSON.stringify({ role: "service_role" })).toString("base64url")
    for (const key of ["sb_secret_0123456789", `e30.${claims}.c2ln`]) {
      expect(refusal({ SUPABASE_PUBLISHABLE_KEY: key })).toContain("SUPABASE_PUBLISHABLE_KEY must be")
    }
    const anon = `e30.${Buffer.from(JSON.stringify({ role: "anon" })).toString("base64url")}.c2ln`
    for (const SUPABASE_PUBLISHABLE_KEY of ["sb_publishable_0123456789", anon]) {
      expect(readConfig({ ...served, SUPABASE_PUBLISHABLE_KEY }, "serve").auth).toMatchObject({
        publishableKey: SUPABASE_PUBLISHABLE_KEY,
      })
    }
  })
})

describe("a value", () => {
  const bad: [string, string[]][] = [
    ["PORT", ["-1", "65536", "80.5", "0x50", "1e3", "eighty", "99999999999"]],
    ["HOST", ["a b", "http://127.0.0.1", "127.0.0.1/8"]],
    ["DATABASE_URL", ["mysql://u:p@h/d", "localhost:5432", "postgres://u:p#w@h/d", "postgres://u:[YOUR-PASSWORD]@h/d"]],
    ["DB_POOL_SIZE", ["0", "-5", "many"]],
    ["DB_MAX_OVERFLOW", ["-1", "1001"]],
    ["DB_POOL_RECYCLE_SECONDS", ["0"]],
    ["DB_STATEMENT_TIMEOUT_MS", ["0", "15s"]],
    ["REDIS_URL", ["http://h", "h:6379"]],
    ["SUPABASE_URL", ["abc.supabase.co", "ftp://h", "https://u:p@h", "https://h/?a=1", "https://h/auth/v1/"]],
    ["OPENAI_API_KEY", ["two words", "sk-ключ"]],
    ["OPENAI_BASE_URL", ["api.openai.com/v1", "https://u:p@h/v1", "https://h/v1?key=1", "https://h/v1#x"]],
    ["LLM_CONNECT_TIMEOUT_MS", ["0", "15s"]],
    ["LLM_FIRST_TOKEN_TIMEOUT_MS", ["0"]],
    ["LLM_IDLE_TIMEOUT_MS", ["0"]],
    ["LLM_TOTAL_TIMEOUT_MS", ["3600001"]],
    ["CONTEXT_MESSAGES", ["0", "201"]],
    ["CONTEXT_TOKENS", ["99", "1000001"]],
    ["CONCURRENT_SENDS", ["drop", "Enqueue"]],
    ["REPLY_MAX_ATTEMPTS", ["0", "11"]],
    ["DRAIN_TIMEOUT_MS", ["-1", "600001"]],
    ["DELTA_HOLD_MS", ["-1", "1001"]],
    ["LOG_LEVEL", ["loud", "INFO"]],
    [
      "ALLOWED_ORIGINS",
      ["*", "null", "app.example", "https://a.example/", "https://A.example", "https://a.example:443"],
    ],
    ["ALLOWED_ORIGINS", ["https://a.example,", "https://a.example https://b.example", "https://u@a.example"]],
    ["PERSONA_FILE", ["a\0b"]],
  ]
  const cases = bad.flatMap(([name, values]) => values.map((value) => [name, value] as const))

  test.each(cases)("of %s that reads %j is refused by name", (name, value) => {
    expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name} must be [^\n]+$`))
  })

  test("is read from the environment into its group", () => {
    const config = readConfig(
      {
        PORT: "0",
        HOST: "::1",
        ALLOWED_ORIGINS: "https://a.example, http://localhost:3000,capacitor://localhost",
        DRAIN_TIMEOUT_MS: "0",
        DATABASE_URL: " postgres://u:p@h/d ",
        DB_POOL_SIZE: "3",
        DB_MAX_OVERFLOW: "0",
        LLM_IDLE_TIMEOUT_MS: "7",
        DELTA_HOLD_MS: "0",
        CONTEXT_MESSAGES: "1",
        CONTEXT_TOKENS: "100",
        PERSONA_FILE: "./persona.md",
        LOG_LEVEL: "debug",
      },
      "start",
    )
    expect(config).toMatchObject({
      http: { port: 0, host: "::1", drainTimeoutMs: 0 },
      database: { url: "postgres://u:p@h/d", poolSize: 3, maxOverflow: 0 },
      llm: { idleTimeoutMs: 7, maxHoldMs: 0 },
      chat: { contextMessages: 1, contextTokens: 100, personaFile: "./persona.md" },
      log: { level: "debug" },
    })
    expect(config.http.allowedOrigins).toEqual(["https://a.example", "http://localhost:3000", "capacitor://localhost"])
  })

  test("that nothing acts upon are reported by name: the offline model makes no embeddings", () => {
    const offline = readConfig({ EMBEDDINGS_MODEL: "e", DELTA_HOLD_MS: "0" }, "start")
    expect(offline).toMatchObject({ unused: ["EMBEDDINGS_MODEL"], llm: { embeddingsModel: null } })
    const real = readConfig({ EMBEDDINGS_MODEL: "e", OPENAI_API_KEY: "sk-1" }, "start")
    expect(real).toMatchObject({ unused: [], llm: { embeddingsModel: "e" } })
  })
})

test("every bad variable is named at once, on a line of its own, with no value of any", () => {
  const env = {
    PORT: "hunter2-a",
    DATABASE_URL: "mysql://u:hunter2-b@h",
    LOG_LEVEL: "hunter2-c",
    OPENAI_BASE_URL: "hunter2-d",
  }
  const message = refusal(env)
  expect(new Set(message.split("\n").map((line) => line.split(" ")[0]))).toEqual(new Set(Object.keys(env)))
  expect(message).not.toContain("hunter2")
})

test("a variable that is bad in several ways is named once, by the first of them", () => {
  expect(refusal({ DATABASE_URL: "mysql://u:[YOUR-PASSWORD]@h/d#x" })).toBe(
    "DATABASE_URL must be a postgres:// or postgresql:// URL",
  )
})

test("a flag wins over the environment, and is blamed under its own name", () => {
  expect(readConfig({ PORT: "80", HOST: "0.0.0.0" }, "start", { port: 9000, host: "::1" }).http).toMatchObject({
    port: 9000,
    host: "::1",
  })
  expect(refusal({ PORT: "80" }, "start", { port: Number.NaN })).toMatch(/^--port must be/)
  expect(refusal({}, "start", { host: "a b" })).toMatch(/^--host must be/)
})

test("the secrets of a configuration are its key, its JWT secret and its password in both spellings", () => {
  const jwtSecret = "s".repeat(40)
  const env = { ...served, DATABASE_URL: "postgres://u:p%40ss@h/d", SUPABASE_JWT_SECRET: jwtSecret }
  expect(configSecrets(readConfig(env, "serve"))).toEqual([served.OPENAI_API_KEY, jwtSecret, "p%40ss", "p@ss"])
  expect(configSecrets(readConfig({}, "start"))).toEqual([])
})
