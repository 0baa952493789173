import { randomUUID } from "node:crypto"
import { Redis, type RedisOptions, type Result } from "ioredis"
import { type AppendOutcome, appendLua, dropLua, eraseLua } from "./redis-script.ts"

declare module "ioredis" {
  interface RedisCommander<Context> {
    grizzAppend(key: string, ...args: (string | number)[]): Result<AppendOutcome, Context>
    grizzDrop(key: string, ...args: (string | number)[]): Result<string, Context>
    grizzErase(key: string, ...args: (string | number)[]): Result<string, Context>
  }
}

export interface LinkEvents {
  onMessage: (channel: string, payload: string) => void
  /** Only when it changes. `error` is what was last wrong. */
  onChange: (isUp: boolean, error: Error | null) => void
  /** Only when it changes: it answers, and refuses to store (it is full, or may not); null when it stores again. */
  onRefusal?: (error: Error | null) => void
}

export interface RedisLinkOptions extends LinkEvents {
  /** `redis://` or `rediss://`; may hold a password. */
  url: string
}

/** What the log needs of a link. */
export type LiveLink = Pick<RedisLink, keyof RedisLink>

/** How long one command, or a connection's making, may take, in ms. */
const commandTimeoutMs = 1000
/** How often the whole way to Redis and back is tried, in ms. */
const probeIntervalMs = 500
/** Probes without an answer after which the connections are made anew. */
const maxSilentProbes = 6
/** Channels that one command subscribes at most. */
const subscribeBatch = 500

/**
 * Two connections to Redis, one of them for what is published, and whether they work. They work when a message that this
 * node publishes comes back: a frozen server, or one connection of the two, shows within `commandTimeoutMs`.
 * While the link is down nothing is sent and nothing waits.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions
  readonly #commands: Redis
  readonly #subscriber: Redis
  readonly #probeChannel = `grizz:probe:${randomUUID()}`
  readonly #channels = new Set<string>()
  /** Those of them that Redis has not yet confirmed. */
  readonly #unconfirmed = new Set<string>()
  readonly #probeTimer: NodeJS.Timeout
  #isUp = false
  #isSubscribed = false
  #isClosed = false
  #lastError: Error | null = null
  #refusal: Error | null = null
  #probe = { id: 0, sentAtMs: 0, isOpen: false, silent: 0 }

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.#commands = new Redis(options.url, {
      ...connectionOptions,
      commandTimeout: commandTimeoutMs,
      scripts: {
        grizzAppend: { lua: appendLua, numberOfKeys: 1 },
        grizzDrop: { lua: dropLua, numberOfKeys: 1 },
        grizzErase: { lua: eraseLua, numberOfKeys: 1 },
      },
    })
    this.#subscriber = new Redis(options.url, { ...connectionOptions, commandTimeout: commandTimeoutMs })
    for (const connection of [this.#commands, this.#subscriber]) {
      connection.on("error", (error) => (this.#lastError = error))
      connection.on("close", () => {
        this.#probe.isOpen = false
        this.#down(new Error("The connection to Redis was closed."))
      })
    }
    this.#commands.on("ready", () => this.#sendProbe())
    this.#subscriber.on("ready", () => void this.#subscribeAll())
    this.#subscriber.on("close", () => (this.#isSubscribed = false))
    this.#subscriber.on("message", (channel, payload) => {
      if (channel === this.#probeChannel) this.#takeProbe(payload)
      else if (this.#channels.has(channel)) options.onMessage(channel, payload)
      else this.unsubscribe(channel)
    })
    this.#probeTimer = setInterval(() => this.#checkProbe(), probeIntervalMs).unref()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** What is wrong; null while the link is up, and stores. */
  get trouble(): Error | null {
    return this.#isUp ? this.#refusal : (this.#lastError ?? new Error("Redis has not answered yet."))
  }

  async append(key: string, args: (string | number)[]): Promise<AppendOutcome> {
    const outcome = await this.#run(() => this.#commands.grizzAppend(key, ...args))
    this.#refuses(null)
    return outcome
  }

  async drop(key: string, args: (string | number)[]): Promise<void> {
    await this.#run(() => this.#commands.grizzDrop(key, ...args))
  }

  async erase(key: string, args: (string | number)[]): Promise<void> {
    await this.#run(() => this.#commands.grizzErase(key, ...args))
  }

  async publish(channel: string, payload: string): Promise<void> {
    await this.#run(() => this.#commands.publish(channel, payload))
  }

  /** Payloads of a stream, oldest first. */
  async read(key: string): Promise<string[]> {
    const entries = await this.#run(() => this.#commands.xrange(key, "-", "+"))
    return entries.flatMap(([, fields]) => fields[1] ?? [])
  }

  /** Resolves when what is published from now on comes; while the link is down at once, and then it is so before `onChange`. */
  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel)
    this.#unconfirmed.add(channel)
    if (this.#isUp) await this.#confirm([channel])
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel)
    this.#unconfirmed.delete(channel)
    // Should it come to nothing, the next message on the channel brings it here again.
    if (this.#isUp) this.#run(() => this.#subscriber.unsubscribe(channel)).catch(() => undefined)
  }

  close(): void {
    this.#isClosed = true
    this.#isUp = false
    clearInterval(this.#probeTimer)
    this.#commands.disconnect()
    this.#subscriber.disconnect()
  }

  /** A refusal (out of memory, a wrong type) is the command's trouble; silence is the link's. */
  async #run<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command()
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      if (failure.name === "ReplyError") this.#refuses(failure)
      else this.#down(failure)
      throw failure
    }
  }

  #refuses(error: Error | null): void {
    const isChange = (this.#refusal === null) !== (error === null)
    this.#refusal = error
    if (isChange) this.#options.onRefusal?.(error)
  }

  async #subscribeAll(): Promise<void> {
    for (const channel of this.#channels) this.#unconfirmed.add(channel)
    try {
      await this.#subscriber.subscribe(this.#probeChannel)
      this.#isSubscribed = true
      this.#sendProbe()
    } catch (error) {
      // The next connection subscribes again.
      this.#lastError = error instanceof Error ? error : new Error(String(error))
      if (!this.#isClosed) this.#subscriber.disconnect(true)
    }
  }

  async #confirm(channels: string[]): Promise<void> {
    for (let start = 0; start < channels.length; start += subscribeBatch) {
      const batch = channels.slice(start, start + subscribeBatch)
      await this.#run(() => this.#subscriber.subscribe(...batch))
      for (const channel of batch) this.#unconfirmed.delete(channel)
    }
  }

  #sendProbe(): void {
    if (this.#isClosed || this.#probe.isOpen || !this.#isSubscribed || this.#commands.status !== "ready") return
    this.#probe = { ...this.#probe, id: this.#probe.id + 1, sentAtMs: performance.now(), isOpen: true }
    this.#commands.publish(this.#probeChannel, String(this.#probe.id)).catch((error: Error) => this.#down(error))
  }

  #takeProbe(payload: string): void {
    if (payload !== String(this.#probe.id)) return
    this.#probe.isOpen = false
    this.#probe.silent = 0
    if (this.#isUp || this.#isClosed) return
    if (this.#unconfirmed.size > 0) {
      const confirmed = this.#confirm([...this.#unconfirmed])
      confirmed.then(() => this.#sendProbe()).catch((error: Error) => (this.#lastError = error))
      return
    }
    this.#isUp = true
    this.#lastError = null
    this.#options.onChange(true, null)
  }

  #checkProbe(): void {
    if (this.#probe.isOpen && performance.now() - this.#probe.sentAtMs >= commandTimeoutMs) {
      this.#probe.isOpen = false
      this.#probe.silent += 1
      this.#down(new Error("Redis does not answer."))
    }
    if (this.#probe.silent >= maxSilentProbes) {
      this.#probe.silent = 0
      this.#commands.disconnect(true)
      this.#subscriber.disconnect(true)
    } else this.#sendProbe()
  }

  #down(error: Error): void {
    this.#lastError ??= error
    if (!this.#isUp || this.#isClosed) return
    this.#isUp = false
    this.#options.onChange(false, this.#lastError)
  }
}

const connectionOptions = {
  connectTimeout: commandTimeoutMs,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectionName: "grizz",
  // A primary that became a replica.
  reconnectOnError: (error) => error.message.startsWith("READONLY"),
  retryStrategy: (times) => Math.min(100 * times, 1000) + Math.random() * 100,
} satisfies RedisOptions
