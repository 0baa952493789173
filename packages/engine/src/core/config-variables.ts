import * as z from "zod"

/**
 * Every variable of the environment that the engine knows, each with its check and its default.
 * An error reads as the end of the sentence "NAME must be …" and never repeats the value, which may be a secret.
 */
export const variables = {
  PORT: integer(0, 65_535, 8000),
  HOST: text("an address to listen on, such as 127.0.0.1", (value) => /^[A-Za-z0-9.:_-]+$/.test(value)).optional(),
  ALLOWED_ORIGINS: z
    .string()
    .transform((value) => value.split(",").map((entry) => entry.trim()))
    .refine((entries) => entries.every(isExactOrigin), {
      error: "a comma-separated list of exact origins as browsers send them, such as https://app.example.com",
    })
    .default([]),
  DRAIN_TIMEOUT_MS: integer(0, 600_000, 20_000),

  DATABASE_URL: databaseUrl().optional(),
  DB_POOL_SIZE: integer(1, 1000, 10),
  DB_MAX_OVERFLOW: integer(0, 1000, 5),
  DB_POOL_RECYCLE_SECONDS: integer(1, 86_400, 180),
  DB_STATEMENT_TIMEOUT_MS: integer(1, 3_600_000, 15_000),
  REDIS_URL: url("a redis:// or rediss:// URL", (value) => /^rediss?:$/.test(value.protocol)).optional(),

  SUPABASE_URL: httpUrl("the project's http(s) URL, such as https://abc.supabase.co, without /auth/v1")
    .refine((value) => !value.endsWith("/auth/v1"), { error: "the project's URL, without /auth/v1" })
    .optional(),
  SUPABASE_JWT_SECRET: text("at least 32 bytes long", (value) => Buffer.byteLength(value) >= 32).optional(),
  SUPABASE_JWT_AUDIENCE: z.string().default("authenticated"),
  SUPABASE_PUBLISHABLE_KEY: text(
    "a publishable or anon key; it is given to every browser, so a secret or service_role key is refused",
    isPublishableKey,
  ).optional(),

  OPENAI_API_KEY: text("a key in printable ASCII without spaces", (value) => /^[\x21-\x7e]+$/.test(value)).optional(),
  OPENAI_BASE_URL: httpUrl("an http(s) URL without credentials or query, such as https://api.openai.com/v1").optional(),
  OPENAI_MODEL: z.string().default("gpt-4.1-2025-04-14"),
  LLM_CONNECT_TIMEOUT_MS: integer(1, 3_600_000, 15_000),
  LLM_FIRST_TOKEN_TIMEOUT_MS: integer(1, 3_600_000, 30_000),
  LLM_IDLE_TIMEOUT_MS: integer(1, 3_600_000, 30_000),
  LLM_TOTAL_TIMEOUT_MS: integer(1, 3_600_000, 300_000),
  EMBEDDINGS_MODEL: z.string().optional(),

  CONTEXT_MESSAGES: integer(1, 200, 10),
  CONTEXT_TOKENS: integer(100, 1_000_000, 8000),
  CONCURRENT_SENDS: oneOf(["enqueue", "interrupt", "reject"]).default("enqueue"),
  REPLY_MAX_ATTEMPTS: integer(1, 10, 2),
  DELTA_HOLD_MS: integer(0, 1000, 60),
  PERSONA_FILE: text("the path of a file", (value) => !value.includes("\0")).optional(),
  LOG_LEVEL: oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
}

export const environment = z.object(variables)

function integer(min: number, max: number, fallback: number): z.ZodType<number> {
  const inRange = (value: string): boolean => /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max
  return text(`a whole number from ${min} to ${max}`, inRange).transform(Number).default(fallback)
}

function text(what: string, accepts: (value: string) => boolean): z.ZodString {
  return z.string().refine(accepts, { error: what })
}

function oneOf<const Choice extends string>(choices: readonly Choice[]) {
  return z.enum(choices, { error: `one of ${choices.join(", ")}` })
}

function url(what: string, accepts: (value: URL) => boolean): z.ZodString {
  return text(what, (value) => {
    const parsed = URL.parse(value)
    return parsed !== null && accepts(parsed)
  })
}

/** Without a trailing slash, so that a path can be appended. */
function httpUrl(what: string) {
  const isPlain = (value: URL): boolean =>
    /^https?:$/.test(value.protocol) && value.username === "" && value.password === "" && !/[?#]/.test(value.href)
  return url(what, isPlain).transform((value) => value.replace(/\/+$/, ""))
}

function databaseUrl(): z.ZodString {
  return url("a postgres:// or postgresql:// URL", (value) => /^postgres(ql)?:$/.test(value.protocol))
    .refine((value) => URL.parse(value)?.hash === "", {
      error: "a URL in which special characters of the password are percent-encoded (# is %23)",
    })
    .refine((value) => !value.includes("[YOUR-PASSWORD]"), {
      error: "a URL with the real password in the place of [YOUR-PASSWORD]",
    })
}

/** What a browser would send in `Origin`; a mobile web view's own scheme (`capacitor://localhost`) is one too. */
function isExactOrigin(entry: string): boolean {
  const parsed = URL.parse(entry)
  return parsed !== null && parsed.host !== "" && `${parsed.protocol}//${parsed.host}` === entry
}

function isPublishableKey(key: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(key) || key.startsWith("sb_secret_")) return false
  const claims = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(key)?.[1]
  return claims === undefined || !Buffer.from(claims, "base64url").toString("utf8").includes("service_role")
}
