import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { freePort } from "../../packages/engine/test/support/postgres-server.ts"
import { ChatSocket } from "./chat-socket.ts"
import { type Child, startChild } from "./child.ts"
import type { BenchDatabase } from "./database.ts"
import type { ModelTimes } from "./model-server.ts"
import { cpuMicros } from "./process-cost.ts"
import { jwtSecret, newUserToken } from "./sign-in.ts"
import { engineWire, relayWire } from "./wires.ts"

/** One of the two that are compared. */
export interface Server {
  readonly name: "engine" | "relay"
  readonly pid: number
  /** CPU time of its process so far, in µs. */
  cpuMicros(): number
  /** A client of its own user. */
  connect(): Promise<ChatSocket>
  /** Only where it was started so that its memory can be measured. */
  collectGarbage(): Promise<void>
}

export interface ModelServer {
  baseUrl: string
  /** What it noted of the paced questions since the last call, by their text. */
  takeTimes(): Promise<Record<string, ModelTimes>>
}

export interface Servers {
  engine: Server
  relay: Server
}

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const preload = ["--expose-gc", "--import", new URL("collect-garbage.ts", import.meta.url).href]

const startTimeoutMs = 30_000
const startPollMs = 50

export async function startModelServer(stack: AsyncDisposableStack): Promise<ModelServer> {
  const port = await freePort()
  const wrongText = process.env["BENCH_WRONG_TEXT"]
  const env = wrongText === undefined ? {} : { BENCH_WRONG_TEXT: wrongText }
  const child = startChild("model server", [fileOf("model-server.ts"), String(port)], { env })
  stack.defer(() => child.stop())
  await child.nextMessage()
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    async takeTimes() {
      const times: Record<string, ModelTimes> = await (await fetch(`http://127.0.0.1:${port}/times`)).json()
      return times
    },
  }
}

/** Both servers, fresh. `forMemory`: they can be asked to collect their garbage. */
export async function startServers(
  stack: AsyncDisposableStack,
  database: BenchDatabase,
  model: ModelServer,
  { forMemory }: { forMemory: boolean },
): Promise<Servers> {
  const nodeArgs = forMemory ? preload : []
  return {
    engine: await startEngine(stack, database, model, nodeArgs),
    relay: await startRelay(stack, model, nodeArgs),
  }
}

async function startEngine(
  stack: AsyncDisposableStack,
  { place }: BenchDatabase,
  model: ModelServer,
  nodeArgs: string[],
): Promise<Server> {
  const port = await freePort()
  const isEmbedded = "folder" in place
  const env = {
    PORT: String(port),
    HOST: "127.0.0.1",
    LOG_LEVEL: "warn",
    SUPABASE_JWT_SECRET: jwtSecret,
    OPENAI_BASE_URL: model.baseUrl,
    ...(isEmbedded ? {} : { DATABASE_URL: place.url }),
  }
  const command = [...nodeArgs, fileOf("../../packages/engine/bin/grizz.js"), isEmbedded ? "start" : "serve"]
  const child = startChild("engine", command, { env, ...(isEmbedded ? { cwd: place.folder } : {}) })
  stack.defer(() => child.stop())
  await untilReady(child, `http://127.0.0.1:${port}/ready`)
  const url = () => `ws://127.0.0.1:${port}/ws/chat/today?token=${newUserToken()}`
  return serverOf("engine", child, () => ChatSocket.open(url(), engineWire))
}

async function startRelay(stack: AsyncDisposableStack, model: ModelServer, nodeArgs: string[]): Promise<Server> {
  const port = await freePort()
  const child = startChild("relay", [...nodeArgs, fileOf("relay-server.ts"), String(port), model.baseUrl])
  stack.defer(() => child.stop())
  await child.nextMessage()
  return serverOf("relay", child, () => ChatSocket.open(`ws://127.0.0.1:${port}/`, relayWire))
}

function serverOf(name: Server["name"], child: Child, connect: () => Promise<ChatSocket>): Server {
  return {
    name,
    pid: child.pid,
    cpuMicros: () => cpuMicros(child.pid),
    connect,
    async collectGarbage() {
      const collected = child.nextMessage()
      child.send("collect")
      await collected
    },
  }
}

/** The engine says that it listens only in a log that is switched off here. */
async function untilReady(child: Child, url: string): Promise<void> {
  const deadlineMs = performance.now() + startTimeoutMs
  while (!(await isOk(url))) {
    if (child.epitaph !== null) throw new Error(`the ${child.name} did not start: ${child.epitaph}`)
    if (performance.now() > deadlineMs) throw new Error(`the ${child.name} was not ready after ${startTimeoutMs} ms`)
    await delay(startPollMs)
  }
}

async function isOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch (error) {
    // Nobody listens there yet.
    if (error instanceof TypeError) return false
    throw error
  }
}
