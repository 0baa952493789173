import { environment } from "./config-variables.ts"
import { isLoopbackBind } from "./loopback.ts"

/** What `main` read from the environment, once; every part gets its group as a value. */
export interface Config {
  http: HttpConfig
  database: DatabaseConfig
  /** Null: one node, whose live replies stay in the process. May hold a password. */
  redisUrl: string | null
  llm: LlmConfig
  auth: AuthConfig
  chat: ChatConfig
  log: LogConfig
  /** Processes that serve behind one port, 1 to 64; null: this one. Each has a pool of its own. */
  workers: number | null
  /** Variables that are set and valid, and that nothing acts upon; `main` warns of them by name. */
  unused: readonly string[]
}

export interface HttpConfig {
  host: string
  /** 0 asks the system for a free port. */
  port: number
  /** Exact, lower-case origins beside the server's own. */
  allowedOrigins: readonly string[]
  /** How long replies may go on after the first signal. */
  drainTimeoutMs: number
}

export interface DatabaseConfig {
  /** Null: embedded PostgreSQL. Holds a password. */
  url: string | null
  poolSize: number
  maxOverflow: number
  recycleSeconds: number
  statementTimeoutMs: number
}

export interface LlmConfig {
  /** Null: the built-in offline model. */
  endpoint: LlmEndpoint | null
  model: string
  /** Of the same endpoint; null: what was said is found by its words only. */
  embeddingsModel: string | null
  connectTimeoutMs: number
  firstTokenTimeoutMs: number
  idleTimeoutMs: number
  totalTimeoutMs: number
  /** Longest time that text is left unread under load; 0 leaves none. */
  maxHoldMs: number
}

export interface LlmEndpoint {
  /** Without a trailing slash. */
  baseUrl: string
  /** Null for an endpoint that wants none. */
  apiKey: string | null
}

export type AuthConfig = { kind: "development" } | SupabaseAuthConfig

export interface SupabaseAuthConfig {
  kind: "supabase"
  /** Without a trailing slash; null when only the legacy secret is known. Never null together with `jwtSecret`. */
  url: string | null
  jwtSecret: string | null
  audience: string
  /** What the chat page signs in with. */
  publishableKey: string | null
}

export interface ChatConfig {
  /** How many messages the model sees, the new one counted in. */
  contextMessages: number
  contextTokens: number
  /** What a message does that is sent while a reply is under way. */
  concurrentSends: "enqueue" | "interrupt" | "reject"
  /** Model calls begun for one reply at most; those handed over by a node that shut down do not count. */
  replyMaxAttempts: number
  /** Null: the persona that ships with the engine. */
  personaFile: string | null
}

export interface LogConfig {
  level: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent"
}

/** `start` fills every gap with an embedded default; `serve` wants a database and a model to be named. */
export type StartMode = "start" | "serve"

/** Command line options, which win over the environment. */
export interface ConfigFlags {
  port?: number | undefined
  host?: string | undefined
  offlineModel?: boolean | undefined
  /** As it was given. */
  workers?: string | undefined
}

/** The environment was refused; the message has one line for each bad variable and repeats no value. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join("\n"))
    this.name = "ConfigError"
  }
}

type Environment = Record<string, string | undefined>
type Settings = ReturnType<(typeof environment)["parse"]>

/** More processes than a machine has cores gain nothing. */
const workersMax = 64

/**
 * The configuration that the environment and the flags describe. White space around a value is dropped; empty is unset.
 * @throws ConfigError naming every bad variable
 */
export function readConfig(env: Environment, mode: StartMode, flags: ConfigFlags = {}): Config {
  const given = knownVariables(env, flags)
  const host = given.HOST ?? (mode === "serve" ? "0.0.0.0" : "127.0.0.1")
  const parsed = environment.safeParse(given)
  const problems = new Map<string, string>()
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = nameOf(String(path[0]), flags)
    if (!problems.has(name)) problems.set(name, `${name} must be ${message}`)
  }
  const all = [
    ...problems.values(),
    ...crossProblems(given, problems.has(nameOf("HOST", flags)) ? null : host, mode, flags),
  ]
  if (!parsed.success || all.length > 0) throw new ConfigError(all)
  return toConfig(parsed.data, host, flags)
}

function knownVariables(env: Environment, flags: ConfigFlags): Environment {
  const given: Environment = {}
  for (const name of Object.keys(environment.shape)) given[name] = env[name]?.trim() || undefined
  if (flags.port !== undefined) given.PORT = String(flags.port)
  if (flags.host !== undefined) given.HOST = flags.host
  return given
}

function nameOf(variable: string, flags: ConfigFlags): string {
  if (variable === "PORT" && flags.port !== undefined) return "--port"
  if (variable === "HOST" && flags.host !== undefined) return "--host"
  return variable
}

/** Rules that read more than one variable. `host` is null when it is bad in itself. */
function crossProblems(given: Environment, host: string | null, mode: StartMode, flags: ConfigFlags): string[] {
  const problems: string[] = []
  const named = (...names: string[]): boolean => names.some((name) => given[name] !== undefined)
  if (!named("SUPABASE_URL", "SUPABASE_JWT_SECRET") && host !== null && !isLoopbackBind(host)) {
    problems.push(
      `SUPABASE_URL or SUPABASE_JWT_SECRET must be set to listen on ${JSON.stringify(host)}: without them anyone who ` +
        "reaches the engine could sign in as anyone (development sign-in), which only HOST=127.0.0.1 allows",
    )
  }
  if (flags.offlineModel === true && named("OPENAI_API_KEY", "OPENAI_BASE_URL")) {
    problems.push("OPENAI_API_KEY and OPENAI_BASE_URL must be unset when --offline-model is given")
  }
  if (flags.workers !== undefined) problems.push(...workersProblems(flags.workers, named))
  if (mode === "start") return problems
  if (!named("DATABASE_URL") && flags.workers === undefined) {
    problems.push("DATABASE_URL must be set to a postgres:// URL")
  }
  if (flags.offlineModel !== true && !named("OPENAI_API_KEY", "OPENAI_BASE_URL")) {
    problems.push("OPENAI_API_KEY or OPENAI_BASE_URL must be set (or give --offline-model)")
  }
  return problems
}

/** What several processes need to be one engine. */
function workersProblems(workers: string, named: (...names: string[]) => boolean): string[] {
  const problems: string[] = []
  if (!/^[1-9]\d?$/.test(workers) || Number(workers) > workersMax) {
    problems.push(`--workers must be a whole number from 1 to ${workersMax}`)
  }
  if (!named("REDIS_URL")) problems.push("REDIS_URL must be set for --workers: through it they share live replies")
  if (!named("DATABASE_URL")) {
    problems.push("DATABASE_URL must be set for --workers: the embedded database is one process's")
  }
  return problems
}

function toConfig(settings: Settings, host: string, { workers }: ConfigFlags): Config {
  const llm = toLlmConfig(settings)
  return {
    http: {
      host,
      port: settings.PORT,
      allowedOrigins: settings.ALLOWED_ORIGINS,
      drainTimeoutMs: settings.DRAIN_TIMEOUT_MS,
    },
    database: {
      url: settings.DATABASE_URL ?? null,
      poolSize: settings.DB_POOL_SIZE,
      maxOverflow: settings.DB_MAX_OVERFLOW,
      recycleSeconds: settings.DB_POOL_RECYCLE_SECONDS,
      statementTimeoutMs: settings.DB_STATEMENT_TIMEOUT_MS,
    },
    redisUrl: settings.REDIS_URL ?? null,
    llm,
    auth: toAuthConfig(settings),
    chat: {
      contextMessages: settings.CONTEXT_MESSAGES,
      contextTokens: settings.CONTEXT_TOKENS,
      concurrentSends: settings.CONCURRENT_SENDS,
      replyMaxAttempts: settings.REPLY_MAX_ATTEMPTS,
      personaFile: settings.PERSONA_FILE ?? null,
    },
    log: { level: settings.LOG_LEVEL },
    workers: workers === undefined ? null : Number(workers),
    // The offline model makes no embeddings.
    unused: llm.endpoint === null && settings.EMBEDDINGS_MODEL !== undefined ? ["EMBEDDINGS_MODEL"] : [],
  }
}

function toLlmConfig(settings: Settings): LlmConfig {
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseUrl } = settings
  const isOffline = apiKey === undefined && baseUrl === undefined
  return {
    endpoint: isOffline ? null : { baseUrl: baseUrl ?? "https://api.openai.com/v1", apiKey: apiKey ?? null },
    model: settings.OPENAI_MODEL,
    embeddingsModel: isOffline ? null : (settings.EMBEDDINGS_MODEL ?? null),
    connectTimeoutMs: settings.LLM_CONNECT_TIMEOUT_MS,
    firstTokenTimeoutMs: settings.LLM_FIRST_TOKEN_TIMEOUT_MS,
    idleTimeoutMs: settings.LLM_IDLE_TIMEOUT_MS,
    totalTimeoutMs: settings.LLM_TOTAL_TIMEOUT_MS,
    maxHoldMs: settings.DELTA_HOLD_MS,
  }
}

function toAuthConfig(settings: Settings): AuthConfig {
  const { SUPABASE_URL: url, SUPABASE_JWT_SECRET: jwtSecret } = settings
  if (url === undefined && jwtSecret === undefined) return { kind: "development" }
  return {
    kind: "supabase",
    url: url ?? null,
    jwtSecret: jwtSecret ?? null,
    audience: settings.SUPABASE_JWT_AUDIENCE,
    publishableKey: settings.SUPABASE_PUBLISHABLE_KEY ?? null,
  }
}

/** Every value of the configuration that must not be printed. */
export function configSecrets(config: Config): string[] {
  const { auth, database, redisUrl, llm } = config
  const passwords = [database.url, redisUrl].flatMap((url) => (url === null ? [] : (URL.parse(url)?.password ?? [])))
  const secrets = [
    llm.endpoint?.apiKey,
    auth.kind === "supabase" ? auth.jwtSecret : null,
    ...passwords,
    ...passwords.map(decodePassword),
  ]
  return secrets.filter((secret) => secret !== null && secret !== undefined).filter((secret) => secret !== "")
}

function decodePassword(password: string): string {
  try {
    return decodeURIComponent(password)
  } catch (error) {
    if (error instanceof URIError) return password
    throw error
  }
}
