import { parseArgs } from "node:util"
import { loadTokenCounter } from "./agents/token-count.ts"
import { compose, openDatabase, openModel, openSignIn } from "./compose.ts"
import { type Config, ConfigError, configSecrets, readConfig, type StartMode } from "./core/config.ts"
import { createLogger, type Logger } from "./core/logger.ts"
import type { Database } from "./db/database.ts"
import { migrate, pendingMigrations } from "./db/migrate.ts"
import { prepareVectors } from "./db/prepare-vectors.ts"
import { doctor } from "./doctor.ts"
import { explain } from "./explain.ts"
import { stopOnSignal } from "./shutdown.ts"
import { WorkerLife, workerNumber } from "./worker.ts"
import { FirstWorkerError, Workers } from "./workers.ts"

const usage = `Usage: grizz <command>

  start     everything on embedded defaults, for your own machine
  serve     the production server; needs DATABASE_URL and a model
  migrate   brings the database to this release's schema
  doctor    checks configuration, database, Redis, sign-in and model, and says what to do
  chat      a chat in the terminal, with an engine that runs
  token     prints a development token
  explain   prints what a reply was made with: grizz explain REPLY_ID

Options of start and serve: --port N, --host H, --offline-model (answer without a model)
Option of serve and doctor: --workers N, so many processes behind one port (needs REDIS_URL)
Options of token: --user UUID`

type Environment = Record<string, string | undefined>

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i

/** For commands that listen to nobody, whatever `HOST` says. */
const offlineFlags = { host: "127.0.0.1" }

/** Runs one command of the `grizz` program. What goes wrong is said in a sentence, and by the exit code. */
export async function main(args: string[], env: Environment): Promise<void> {
  try {
    await run(args, env)
  } catch (error) {
    if (!(error instanceof FirstWorkerError)) process.stderr.write(`${describe(error)}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  }
}

class UsageError extends Error {}

async function run(args: string[], env: Environment): Promise<void> {
  const { command, operands, flags } = parse(args)
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
    case "explain":
      return printExplanation(readConfig(env, "start", offlineFlags), operands[0])
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
  workers?: string
  user?: string
  offlineModel: boolean
}

function parse(args: string[]): { command: string | undefined; operands: string[]; flags: Flags } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        workers: { type: "string" },
        user: { type: "string" },
        "offline-model": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    })
    const { port, host, workers, user, help } = values
    const flags: Flags = { offlineModel: values["offline-model"] }
    if (port !== undefined) flags.port = Number(port)
    if (host !== undefined) flags.host = host
    if (workers !== undefined) flags.workers = workers
    if (user !== undefined) flags.user = user
    const [command, ...operands] = positionals
    return { command: help ? "help" : command, operands, flags }
  } catch (error) {
    throw new UsageError(`${describe(error)}\n\n${usage}`)
  }
}

async function serve(mode: StartMode, env: Environment, flags: Flags): Promise<void> {
  if (mode === "start" && flags.workers !== undefined) throw new UsageError("--workers is an option of grizz serve.")
  const config = readConfig(env, mode, flags)
  const number = workerNumber()
  const logger = loggerOf(config, mode === "start", number)
  if (number === null) {
    for (const name of config.unused)
      logger.warn({ variable: name }, "a variable is set that nothing acts upon: there is no model's endpoint")
    if (config.workers !== null) return serveWithWorkers(config.workers, config, logger)
  }
  const life = number === null ? null : new WorkerLife(logger)
  const database = await openDatabase(config.database, logger)
  try {
    if (life === null) await prepare(config, database, logger)
    const model = await openModel(config.llm)
    const engine = await compose(config, logger, database, model, await openSignIn(config.auth))
    const stop = async () => {
      try {
        await engine.drain()
      } finally {
        await model.close()
        await database.close()
      }
    }
    if (life === null) stopOnSignal(logger, stop)
    else life.stopWith(stop)
    await loadTokenCounter()
    const { host, port } = await engine.listen()
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
    if (mode === "start") process.stdout.write(`\nGrizz is ready: ${url}\n\n`)
  } catch (error) {
    await database.close()
    throw error
  }
}

/** The primary's part: to migrate before anyone serves, and to see to the workers. */
async function serveWithWorkers(count: number, config: Config, logger: Logger): Promise<void> {
  const database = await openDatabase(config.database, logger)
  try {
    await prepare(config, database, logger)
  } finally {
    await database.close()
  }
  const workers = new Workers({ count, drainTimeoutMs: config.http.drainTimeoutMs, logger })
  stopOnSignal(
    logger,
    () => workers.stop(),
    () => workers.kill(),
  )
  await workers.start()
}

/** What is done once, by whoever has no primary: migrating, and what is to be said before anyone serves. */
async function prepare({ llm }: Config, database: Database, logger: Logger): Promise<void> {
  // A node that finds nothing to do needs no more rights than to read and write.
  const pending = await pendingMigrations(database)
  const applied = pending.length > 0 ? await migrate(database) : []
  if (applied.length > 0) logger.info({ applied }, "migrated the database")
  if (llm.embeddingsModel !== null) {
    const obstacle = await prepareVectors(database, llm.embeddingsModel)
    if (obstacle !== null) logger.warn({ obstacle }, "no embeddings are made: what was said is found by its words only")
  }
  if (llm.endpoint === null)
    logger.warn("no model is configured: the built-in offline model answers, and derives nothing for the memory")
}

/** For a person where a person reads, JSON lines where a machine does. */
function loggerOf(config: Config, isStart: boolean, worker: number | null): Logger {
  const pretty = isStart || process.stdout.isTTY
  const logger = createLogger({ level: config.log.level, pretty, secrets: configSecrets(config) })
  return worker === null ? logger : logger.child({ worker })
}

async function migrateDatabase(config: Config): Promise<void> {
  const database = await openDatabase(config.database, loggerOf(config, true, null))
  try {
    const applied = await migrate(database)
    const which =
      config.database.url === null ? "the embedded database in .grizz/ (DATABASE_URL is not set)" : "the database"
    process.stdout.write(
      applied.length === 0 ? `The schema of ${which} is up to date.\n` : `Applied ${applied.join(", ")} to ${which}.\n`,
    )
    const model = config.llm.embeddingsModel
    const obstacle = model === null ? null : await prepareVectors(database, model)
    if (obstacle !== null) process.stdout.write(`No embeddings will be made: ${obstacle}.\n`)
  } finally {
    await database.close()
  }
}

async function printExplanation(config: Config, replyId: string | undefined): Promise<void> {
  if (replyId === undefined || !uuidPattern.test(replyId)) {
    throw new UsageError("grizz explain needs a reply's id, a UUID.")
  }
  const database = await openDatabase(config.database, loggerOf(config, true, null))
  try {
    process.stdout.write(`${await explain(database, replyId, config.chat)}\n`)
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
  if (!("code" in error) || !("syscall" in error) || !isListening(error.syscall)) return error.message
  const address = "address" in error ? String(error.address) : "this address"
  const port = "port" in error ? String(error.port) : "this port"
  if (error.code === "EADDRINUSE") return `Port ${port} on ${address} is taken. Choose another one with --port or PORT.`
  if (error.code === "EACCES") return `Port ${port} needs more rights than this user has. Choose one above 1023.`
  if (error.code === "EADDRNOTAVAIL") return `This machine has no address ${address} to listen on. Check HOST.`
  return error.message
}

/** A worker's port is bound by the primary. */
const isListening = (syscall: unknown) => syscall === "listen" || syscall === "bind"
