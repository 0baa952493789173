import { setTimeout as delay } from "node:timers/promises"
import { ChatSocket, type SocketOptions } from "../load/chat-socket.ts"
import type { Wire } from "../load/wires.ts"
import type { Child } from "../machine/child.ts"
import type { Place } from "../machine/database.ts"
import { cpuMicros, residentKib, treeCpuMicros } from "../machine/process-cost.ts"
import type { Held } from "./preload.ts"
import { newUser, type User } from "./sign-in.ts"

/** Whose CPU is measured. */
export interface Subject {
  readonly name: string
  /** CPU time so far, in µs. */
  cpuMicros(): number
}

export interface ConnectOptions extends SocketOptions {
  user?: User
  /** Default: the user's conversation of today. */
  conversationId?: string
  /** The cursor after which to go on. */
  after?: string
}

export interface Memory {
  residentKib: number
  /** Of that, what is in use: objects of the heap, and buffers. */
  liveKib: number
}

/** A server process: the engine, or one that it is compared with. */
export interface Server extends Subject {
  readonly pid: number
  /** Of its HTTP side. */
  readonly baseUrl: string
  /** Null for a server without a database. */
  readonly place: Place | null
  /** Whether it goes through what a user said earlier, unless they pause that. */
  readonly remembers: boolean
  /** A client; of a user of its own, unless one is named. */
  connect(options?: ConnectOptions): Promise<ChatSocket>
  /** Memory when nothing happens, garbage collected. */
  settledMemory(): Promise<Memory>
  /** Resident memory as it is, in KiB. */
  residentKib(): number
}

/** Of the process that is measured, before its own arguments. */
export const nodeArgs = ["--expose-gc", "--import", new URL("preload.ts", import.meta.url).href]

const settleMs = 200
const settleLooksMax = 15
/** Memory that changes by less than this share between two looks has settled. */
const settledShare = 0.002

export interface ServerOptions {
  name: string
  child: Child
  baseUrl: string
  place: Place | null
  wire: Wire
  remembers?: boolean
  /** Its processes are all measured together. */
  isTree?: boolean
}

export function serverOf({
  name,
  child,
  baseUrl,
  place,
  wire,
  remembers = false,
  isTree = false,
}: ServerOptions): Server {
  return {
    name,
    pid: child.pid,
    baseUrl,
    place,
    remembers,
    cpuMicros: () => (isTree ? treeCpuMicros(child.pid) : cpuMicros(child.pid)),
    connect({ user = newUser(), conversationId = "today", after, ...options } = {}) {
      const url = new URL(`/ws/chat/${conversationId}`, baseUrl.replace("http", "ws"))
      url.searchParams.set("token", user.token)
      if (after !== undefined) url.searchParams.set("after", after)
      return ChatSocket.open(url.href, wire, options)
    },
    settledMemory: () => settledMemory(child),
    residentKib: () => residentKib(child.pid),
  }
}

async function settledMemory(child: Child): Promise<Memory> {
  let before = Number.POSITIVE_INFINITY
  for (let look = 1; ; look++) {
    const { liveBytes } = await collectGarbage(child)
    await delay(settleMs)
    const now = residentKib(child.pid)
    const hasSettled = Math.abs(before - now) < now * settledShare
    if (hasSettled || look === settleLooksMax) return { residentKib: now, liveKib: liveBytes / 1024 }
    before = now
  }
}

async function collectGarbage(child: Child): Promise<Held> {
  const collected = child.nextMessage()
  child.send("collect")
  const held = await collected
  if (typeof held === "object" && held !== null && "liveBytes" in held) return { liveBytes: Number(held.liveBytes) }
  throw new Error(`the ${child.name} does not say what it holds`)
}

/** Waits until a child that says nothing by itself answers. */
export async function untilOk(child: Child, url: string, timeoutMs = 30_000): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (!(await isOk(url))) {
    if (child.epitaph !== null) throw new Error(`the ${child.name} did not start: ${child.epitaph}`)
    if (performance.now() > deadlineMs) throw new Error(`the ${child.name} was not ready after ${timeoutMs} ms`)
    await delay(50)
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
