import { parseArgs } from "node:util"
import { ConfigError, readConfig, type StartMode } from "./core/config.ts"
import { openEngine } from "./open-engine.ts"
import { openDatabase } from "./open-database.ts"
import { issueToken } from "./token-command.ts"
import { migrate } from "./db/migrate.ts"

const usage = `Usage: grizz <command>

  start     everything on embedded defaults, for your own machine
  serve     the production server; needs DATABASE_URL and a model
  migrate   brings the database to this release's schema
  token     prints a development token

Options of start and serve: --port N, --host H, --offline-model (answer without a model)
Options of token: --user UUID`

type Environment = Record<string, string | undefined>

/** A second signal ends the process at once, but Ctrl-C under npm arrives twice, so not within this time. */
const secondSignalMs = 500

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
    case "migrate": {
      const database = await openDatabase(readConfig(env, "start").database)
      const applied = await migrate(database)
      await database.close()
      process.stdout.write(applied.length === 0 ? "The schema is up to date.\n" : `Applied ${applied.join(", ")}.\n`)
      return
    }
    case "token":
      process.stdout.write(`${await issueToken(readConfig(env, "start").auth, flags.user)}\n`)
      return
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
  const { engine, logger, close } = await openEngine(config, mode)
  let firstSignalAt: number | null = null
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstSignalAt !== null) {
      if (performance.now() - firstSignalAt >= secondSignalMs) process.exit(1)
      return
    }
    firstSignalAt = performance.now()
    logger.info({ signal }, "shutting down")
    const stop = async () => {
      await engine.drain()
      await close()
      logger.info("stopped")
      process.exit(0)
    }
    stop().catch((error: unknown) => {
      logger.error({ err: error }, "the shutdown failed")
      process.exit(1)
    })
  }
  process.on("SIGTERM", onSignal)
  process.on("SIGINT", onSignal)
  try {
    const { host, port } = await engine.listen()
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
    logger.info({ url }, "listening")
    if (mode === "start") process.stdout.write(`\nGrizz is ready: ${url}\n\n`)
  } catch (error) {
    await close()
    throw error
  }
}

/** One sentence, no stack: whoever reads it is at a terminal and did nothing that a stack explains. */
function describe(error: unknown): string {
  if (error instanceof ConfigError) return `The configuration is not right:\n${error.message}`
  if (!(error instanceof Error)) return String(error)
  if (!("code" in error) || !("syscall" in error) || error.syscall !== "listen") return error.message
  const { address, port } = error as unknown as { address: string; port: number }
  if (error.code === "EADDRINUSE") return `Port ${port} on ${address} is taken. Choose another one with --port or PORT.`
  if (error.code === "EACCES") return `Port ${port} needs more rights than this user has. Choose one above 1023.`
  if (error.code === "EADDRNOTAVAIL") return `This machine has no address ${address} to listen on. Check HOST.`
  return error.message
}
