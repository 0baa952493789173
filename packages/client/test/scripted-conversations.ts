import { afterEach, beforeEach } from "vitest"
import { type Conversation, type ConversationState, GrizzClient, type GrizzClientOptions } from "../src/index.ts"
import { ScriptedEngine } from "./scripted-engine.ts"

export const timing = {
  backoffBaseMs: 2,
  backoffMaxMs: 10,
  connectTimeoutMs: 2_000,
  heartbeatMs: 5_000,
  silenceMs: 5_000,
}

/** A token as the SDK reads it: whose it is. */
export function tokenOf(userId: string, number = 1): string {
  return `head.${btoa(JSON.stringify({ sub: userId, number }))}.signature`
}

export const isOpen = (state: ConversationState) => state.connection.status === "open"
export const isClosed = (state: ConversationState) => state.connection.status === "closed"

/** Clients of a scripted engine, one engine for each test. */
export class ScriptedConversations {
  #engine: ScriptedEngine | null = null
  readonly #open: Conversation[] = []

  constructor() {
    beforeEach(async () => {
      this.#engine = await ScriptedEngine.start()
    })
    afterEach(async () => {
      for (const one of this.#open.splice(0)) one.close()
      await this.#engine?.stop()
    })
  }

  get engine(): ScriptedEngine {
    if (this.#engine === null) throw new Error("no test runs")
    return this.#engine
  }

  client(options: Partial<GrizzClientOptions> = {}): GrizzClient {
    const { timing: given, ...others } = options
    const token = async () => tokenOf("user")
    return new GrizzClient({ url: this.engine.url, token, timing: { ...timing, ...given }, ...others })
  }

  /** Today's conversation, not connected yet. */
  today(options: Partial<GrizzClientOptions> = {}): Conversation {
    return this.follow(this.client(options).today("Europe/Berlin"))
  }

  /** Closed after the test. */
  follow(conversation: Conversation): Conversation {
    this.#open.push(conversation)
    return conversation
  }
}
