import { readFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { freePort } from "../../../packages/engine/test/support/postgres-server.ts"
import type { Bench } from "../bench.ts"
import { engineWire, naiveWire, relayWire } from "../load/wires.ts"
import { startChild } from "../machine/child.ts"
import type { Place } from "../machine/database.ts"
import { childrenOf } from "../machine/process-cost.ts"
import { untilQuiet } from "../machine/until-quiet.ts"
import { nodeArgs, type Server, serverOf, untilOk } from "./server.ts"
import { jwtSecret } from "./sign-in.ts"

export interface EngineOptions {
  /** Default: `engine`. */
  name?: string
  /** Beside what every engine of the bench has. */
  env?: Record<string, string>
  /** Default: an empty one. */
  place?: Place
  /** Processes behind its port. */
  workers?: number
}

type Needs = Pick<Bench, "database" | "model">

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const program = fileOf("../../../packages/engine/bin/grizz.js")

/** What the program starts Node.js with when it is run by its name. */
function ownNodeArgs(): string[] {
  const [firstLine = ""] = readFileSync(program, "utf8").split("\n", 1)
  return firstLine.replace("#!/usr/bin/env -S node", "").trim().split(" ")
}

/** The engine as in production, `grizz serve`; `grizz start` where the database is the embedded one. */
export async function startEngine(
  stack: AsyncDisposableStack,
  { database, model }: Needs,
  { name = "engine", env = {}, place: givenPlace, workers }: EngineOptions = {},
): Promise<Server> {
  const port = await freePort()
  const place = givenPlace ?? (await database.newPlace())
  const isEmbedded = "folder" in place
  const environment = {
    PORT: String(port),
    HOST: "127.0.0.1",
    LOG_LEVEL: "warn",
    SUPABASE_JWT_SECRET: jwtSecret,
    OPENAI_BASE_URL: model.baseUrl,
    ...(isEmbedded ? {} : { DATABASE_URL: place.url }),
    ...env,
  }
  const mode = isEmbedded ? ["start"] : ["serve", ...(workers === undefined ? [] : ["--workers", String(workers)])]
  const command = [...nodeArgs, ...ownNodeArgs(), program, ...mode]
  const child = startChild(name, command, { env: environment, ...(isEmbedded ? { cwd: place.folder } : {}) })
  stack.defer(() => child.stop())
  const baseUrl = `http://127.0.0.1:${port}`
  // It says that it listens only in a log that is switched off here.
  await untilOk(child, `${baseUrl}/ready`)
  const server = serverOf({
    name,
    child,
    baseUrl,
    place,
    wire: engineWire,
    remembers: true,
    isTree: workers !== undefined,
  })
  // Its first worker is ready; the others start after it, and are not idle until they serve.
  if (workers !== undefined) {
    while (childrenOf(child.pid).length < workers) await delay(50)
    await untilQuiet(server)
  }
  return server
}

/** The floor: a bare relay. */
export async function startRelay(stack: AsyncDisposableStack, { model }: Pick<Bench, "model">): Promise<Server> {
  const port = await freePort()
  const child = startChild("relay", [...nodeArgs, fileOf("relay-server.ts"), String(port), model.baseUrl])
  stack.defer(() => child.stop())
  await child.nextMessage()
  return serverOf({ name: "relay", child, baseUrl: `http://127.0.0.1:${port}`, place: null, wire: relayWire })
}

/** What a competent developer writes; null where there is no database that it could use. */
export async function startNaive(stack: AsyncDisposableStack, { database, model }: Needs): Promise<Server | null> {
  if (!database.isServer) return null
  const port = await freePort()
  const place = await database.newPlace()
  if ("folder" in place) return null
  const env = { DATABASE_URL: place.url, SUPABASE_JWT_SECRET: jwtSecret, OPENAI_BASE_URL: model.baseUrl }
  const child = startChild("naive", [...nodeArgs, fileOf("naive-server.ts"), String(port)], { env })
  stack.defer(() => child.stop())
  await child.nextMessage()
  return serverOf({ name: "naive", child, baseUrl: `http://127.0.0.1:${port}`, place, wire: naiveWire })
}

export interface Servers {
  engine: Server
  relay: Server
  /** All of them, to take turns. */
  all: Server[]
}

/** The engine, the floor, and the naive server where it can run and there is time; all fresh. */
export async function startServers(
  stack: AsyncDisposableStack,
  bench: Bench,
  options: EngineOptions = {},
): Promise<Servers> {
  const engine = await startEngine(stack, bench, options)
  const relay = await startRelay(stack, bench)
  const naive = bench.sizes.isQuick ? null : await startNaive(stack, bench)
  return { engine, relay, all: naive === null ? [engine, relay] : [engine, relay, naive] }
}
