import { pino } from "pino"
import { ChatError } from "../../src/core/errors.ts"
import { ChatService } from "../../src/services/chat-service.ts"
import { ConversationReader } from "../../src/services/conversation-reader.ts"
import { ReplyRunner } from "../../src/services/reply-runner.ts"
import { ReplySweep } from "../../src/services/reply-sweep.ts"
import { Serial } from "../../src/services/serial.ts"
import type { ConcurrentSends } from "../../src/ports.ts"
import { AuditedLog } from "./audited-log.ts"
import type { Ledger } from "./ledger.ts"
import { ProcessLife } from "./process-life.ts"
import { type RunningCall, scriptedAgent } from "./scripted-agent.ts"
import { storeLink } from "./store-link.ts"

export interface SimulatedProcessOptions {
  ledger: Ledger
  owner: string
  isClockSound: boolean
  leaseMs: number
  maxCalls: number
  concurrentSends: ConcurrentSends
  running: Set<RunningCall>
}

const heartbeatMs = 1000
const contextMessages = 10

/** The engine's services as `compose` joins them, over what the seed decides. */
export class SimulatedProcess {
  readonly life: ProcessLife
  readonly chat: ChatService
  readonly reader: ConversationReader
  readonly #serial = new Serial()
  readonly #runner: ReplyRunner
  readonly #sweep: ReplySweep
  readonly #log: AuditedLog
  readonly #ledger: Ledger
  #isBeating = false
  #nextBeatMs = 0
  isDraining = false

  constructor(options: SimulatedProcessOptions) {
    const { ledger, owner, isClockSound, leaseMs, maxCalls, concurrentSends, running } = options
    const { world, store } = ledger
    const life = new ProcessLife(world, owner, isClockSound)
    const log = new AuditedLog(life, ledger)
    const replies = storeLink(world, life, store, ledger)
    const now = () => life.nowMs
    const delay = (ms: number) => life.delay(ms)
    const shares = { replies, log, serial: this.#serial, owner, contextMessages, now }
    const agent = scriptedAgent({ life, log, ledger, running })
    const logger = pino({ level: "error" }, { write: (line) => this.#onError(line) })
    this.life = life
    this.#log = log
    this.#ledger = ledger
    this.#runner = new ReplyRunner({ ...shares, agent, logger, leaseMs, delay })
    this.#sweep = new ReplySweep({ ...shares, runner: this.#runner, logger, maxCalls })
    this.chat = new ChatService({ ...shares, runner: this.#runner, concurrentSends, newId: () => world.newId() })
    this.reader = new ConversationReader(replies, log)
  }

  get canBeat(): boolean {
    return this.life.isUp && !this.#isBeating && this.#ledger.world.timeMs >= this.#nextBeatMs
  }

  async beat(): Promise<void> {
    this.#isBeating = true
    this.#nextBeatMs = this.#ledger.world.timeMs + heartbeatMs
    try {
      await this.#runner.heartbeat()
      await this.#sweep.sweep()
    } catch (error) {
      const isPassing = error instanceof ChatError && error.code === "unavailable"
      this.#ledger.world.check(isPassing, () => `a heartbeat failed: ${String(error)}`)
    } finally {
      this.#isBeating = false
    }
  }

  /** Its log looks after what was not told. */
  look(): void {
    this.#log.tick()
  }

  /** As a deploy does; the process is gone when its replies are. */
  async drain(graceMs: number): Promise<void> {
    this.isDraining = true
    await this.chat.drain(graceMs)
    this.life.state = "dead"
  }

  /** What is still in its maps when nothing is under way. */
  get left(): string[] {
    const counts = { productions: this.#runner.size, feeds: this.#log.size, serial: this.#serial.size }
    return Object.entries(counts).flatMap(([name, count]) =>
      count === 0 ? [] : [`${this.life.owner}: ${count} ${name}`],
    )
  }

  #onError(line: string): void {
    // A process that shuts down has no time to wait for the database.
    if (!this.isDraining) return this.#ledger.world.violate(`an error was logged: ${line}`)
    const { conversation_id: conversationId } = JSON.parse(line) as { conversation_id?: string }
    if (conversationId !== undefined) this.#ledger.uncertain.add(conversationId)
  }
}
