import { parseArgs } from "node:util"
import { compose, openDatabase, openModel, openSignIn } from "./compose.ts"
import { type Config, ConfigError, configSecrets, readConfig, type StartMode } from "./core/config.ts"
import { createLogger, type Logger } from "./core/logger.ts"
import { migrate, pendingMigrations } from "./db/migrate.ts"
import { doctor } from "./doctor.ts"

const usage = `Usage: grizz <command>

  start     everything on embedded defaults, for your own machine
  serve     the production server; needs DATABASE_URL and a model
  migrate   brings the database to this release's schema
  doctor    checks configuration, database, Redis, sign-in and model, and says what to do
  chat      a chat in the terminal, with an engine that runs
  token     prints a development token

Options of start and serve: --port N, --host H, --offline-model (answer without a model)
Options of token: --user UUID`

type Environment = Record<string, string | undefined>

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/** A second signal ends the process at once, but Ctrl-C under npm arrives twice, so not within this time. */
const secondSignalMs = 500

/** For commands that listen to nobody, whatever `HOST` says. */
const offlineFlags = { host: "127.0.0.1" }

/** Runs one command of the `grizz` program. What goes wrong is said in a sentence, and by the exit code. */
export async function main(args: string[], env: Environment): Promise<void> {
  try {
    await run(args, env)
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  }
}

class UsageError extends Error {}

async function run(args: string[], env: Environment): Promise<void> {
  const { command, flags } = parse(args)
  switch (command) {
    case "start":
    case "serve":
      return serve(command, env, flags)
    case "migrate":
      return migrateDatabase(readConfig(env, "start", offlineFlags))
    case "doctor":
      if (!(await doctor(env, flags, (line) => process.stdout.write(`${line}\n`)))) process.exitCode = 1
      return
    case "token":
      return printToken(readConfig(env, "start", offlineFlags), flags.user)
    case undefined:
    case "help":
      process.stdout.write(`${usage}\n`)
      return
    default:
      throw new UsageError(`There is no command "${command}".\n\n${usage}`)
  }
}

interface Flags {
  port?: number
  host?: string
  user?: string
  offlineModel: boolean
}

function parse(args: string[]): { command: string | undefined; flags: Flags } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        user: { type: "string" },
        "offline-model": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    })
    const { port, host, user, help } = values
    const flags: Flags = { offlineModel: values["offline-model"] }
    if (port !== undefined) flags.port = Number(port)
    if (host !== undefined) flags.host = host
    if (user !== undefined) flags.user = user
    return { command: help ? "help" : positionals[0], flags }
  } catch (error) {
    throw new UsageError(`${describe(error)}\n\n${usage}`)
  }
}

async function serve(mode: StartMode, env: Environment, flags: Flags): Promise<void> {
  const config = readConfig(env, mode, flags)
  const logger = loggerOf(config, mode === "start")
  for (const name of config.unused)
    logger.warn({ variable: name }, "this release does not act upon a variable that is set")
  const database = await openDatabase(config.database, logger)
  try {
    // A node that finds nothing to do needs no more rights than to read and write.
    const pending = await pendingMigrations(database)
    const applied = pending.length > 0 ? await migrate(database) : []
    if (applied.length > 0) logger.info({ applied }, "migrated the database")
    const model = await openModel(config.llm)
    if (config.llm.endpoint === null) logger.warn("no model is configured: the built-in offline model answers")
    const engine = await compose(config, logger, database, model, await openSignIn(config.auth))
    stopOnSignal(logger, async () => {
      try {
        await engine.drain()
      } finally {
        await model.close()
        await database.close()
      }
    })
    const { host, port } = await engine.listen()
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
    if (mode === "start") process.stdout.write(`\nGrizz is ready: ${url}\n\n`)
  } catch (error) {
    await database.close()
    throw error
  }
}

/** For a person where a person reads, JSON lines where a machine does. */
function loggerOf(config: Config, isStart: boolean): Logger {
  const pretty = isStart || process.stdout.isTTY
  return createLogger({ level: config.log.level, pretty, secrets: configSecrets(config) })
}

function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  let firstSignalMs: number | null = null
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstSignalMs !== null) {
      if (performance.now() - firstSignalMs >= secondSignalMs) process.exit(1)
      return
    }
    firstSignalMs = performance.now()
    logger.info({ signal }, "shutting down")
    stop().then(
      () => {
        logger.info("stopped")
        process.exit(0)
      },
      (error: unknown) => {
        logger.error({ err: error }, "the shutdown failed")
        process.exit(1)
      },
    )
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
}

async function migrateDatabase(config: Config): Promise<void> {
  const database = await openDatabase(config.database, loggerOf(config, true))
  try {
    const applied = await migrate(database)
    const which =
      config.database.url === null ? "the embedded database in .grizz/ (DATABASE_URL is not set)" : "the database"
    process.stdout.write(
      applied.length === 0 ? `The schema of ${which} is up to date.\n` : `Applied ${applied.join(", ")} to ${which}.\n`,
    )
  } finally {
    await database.close()
  }
}

async function printToken({ auth }: Config, userId: string | undefined): Promise<void> {
  if (userId !== undefined && !uuidPattern.test(userId)) throw new UsageError("--user must be a UUID.")
  const { development } = await openSignIn(auth)
  if (development === null) throw new Error("Tokens for development exist only while no SUPABASE_ variable is set.")
  process.stdout.write(`${(await development.issue(userId)).access_token}\n`)
}

/** One sentence, no stack: whoever reads it is at a terminal and did nothing that a stack explains. */
function describe(error: unknown): string {
  if (error instanceof ConfigError) return `The configuration is not right:\n${error.message}`
  if (!(error instanceof Error)) return String(error)
  if (!("code" in error) || !("syscall" in error) || error.syscall !== "listen") return error.message
  const address = "address" in error ? String(error.address) : "this address"
  const port = "port" in error ? String(error.port) : "this port"
  if (error.code === "EADDRINUSE") return `Port ${port} on ${address} is taken. Choose another one with --port or PORT.`
  if (error.code === "EACCES") return `Port ${port} needs more rights than this user has. Choose one above 1023.`
  if (error.code === "EADDRNOTAVAIL") return `This machine has no address ${address} to listen on. Check HOST.`
  return error.message
}
