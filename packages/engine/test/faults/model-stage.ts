import { randomUUID } from "node:crypto"
import { setTimeout as wait } from "node:timers/promises"
import type { MessagePage, MessageResource } from "@grizz/protocol"
import { expect } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { sql } from "../support/database-sql.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { answer, done, finish, role, text } from "../support/model-stream.ts"
import { foldText, type Wire } from "../support/wire.ts"

/** What the model does, the n-th time it is asked, from 0. */
export type Fault = (call: ModelCall, time: number) => void | Promise<void>

export interface EndOfReply {
  status: "completed" | "failed"
  /** Null for a reply that completed. */
  code: string | null
  text: string | RegExp
}

/** A reply that another user gets at the same time: a word every few ms, until it is let finish. */
class Bystander {
  readonly #user: TestUser
  readonly #wire: Wire
  #isReleased = false
  #said = ""

  constructor(user: TestUser, wire: Wire) {
    this.#user = user
    this.#wire = wire
  }

  async begin(): Promise<void> {
    this.#wire.say(randomUUID(), `bystander ${this.#user.id}`)
    await this.#wire.next("reply.delta")
  }

  async answer(call: ModelCall): Promise<void> {
    await call.begin().write(role)
    while (!this.#isReleased) {
      const word = `word ${this.#said.length} `
      this.#said += word
      await call.write(text(word))
      await wait(20)
    }
    call.end(finish() + done)
  }

  /** Lets it finish: it heard exactly what its model said. */
  async finish(): Promise<void> {
    this.#isReleased = true
    const ended = await this.#wire.next("reply.ended")
    expect(ended).toMatchObject({ status: "completed", error: null, message: { content: this.#said } })
    expect(foldText(this.#wire.frames, ended.reply_id)).toBe(this.#said)
    this.#wire.socket.terminate()
  }
}

/** An engine whose model does what a test tells it. */
export class ModelStage {
  readonly #opened: OpenDatabase
  readonly #server: ModelServer
  readonly #engine: TestEngine
  readonly #bystanders: Map<string, Bystander>
  readonly #script: { fault: Fault; times: number }

  private constructor(
    opened: OpenDatabase,
    server: ModelServer,
    engine: TestEngine,
    shared: { bystanders: Map<string, Bystander>; script: { fault: Fault; times: number } },
  ) {
    this.#opened = opened
    this.#server = server
    this.#engine = engine
    this.#bystanders = shared.bystanders
    this.#script = shared.script
  }

  /** @param via the way to the model, from its base URL, where it is not the straight one */
  static async start(
    env: Record<string, string>,
    via: (baseUrl: string) => Promise<string> = async (baseUrl) => baseUrl,
  ): Promise<ModelStage> {
    const bystanders = new Map<string, Bystander>()
    const script: { fault: Fault; times: number } = { fault: (call) => call.end(), times: 0 }
    const server = await startModelServer(async (call) => {
      const question = questionOf(call)
      if (question === "go on") call.begin().end(answer("it goes ", "on"))
      else if (question === "fault") await script.fault(call, script.times++)
      else await bystanders.get(question)!.answer(call)
    })
    const opened = await oneDatabaseKind.open()
    const engine = await startTestEngine({ database: opened.database, env, modelUrl: await via(server.baseUrl) })
    return new ModelStage(opened, server, engine, { bystanders, script })
  }

  /** A reply of another user, which has begun. */
  async bystander(): Promise<Bystander> {
    const user = await this.#engine.user()
    const bystander = new Bystander(user, await user.connect(await user.today()))
    this.#bystanders.set(`bystander ${user.id}`, bystander)
    await bystander.begin()
    return bystander
  }

  /** Says something as a new user. */
  async ask(id: string, question: string): Promise<Wire> {
    const user = await this.#engine.user()
    const wire = await user.connect(await user.today())
    wire.say(id, question)
    return wire
  }

  /**
   * Asks a model that does this, and checks what was told against what is stored: one end, the same for every device and
   * in the history, and the same text everywhere. Afterwards the conversation goes on.
   * @param heal makes the model answer again
   * @returns how often the model was asked
   */
  async expectEnd(
    fault: Fault,
    expected: EndOfReply,
    heal: () => Promise<void> = async () => undefined,
  ): Promise<{ calls: number; last: ModelCall | null }> {
    Object.assign(this.#script, { fault, times: 0 })
    const before = this.#server.calls.length
    const user = await this.#engine.user()
    const conversationId = await user.today()
    const wire = await user.connect(conversationId)
    const plain = await user.connectPlain(conversationId)
    plain.socket.send("fault")
    const ended = await wire.next("reply.ended")
    const calls = this.#server.calls.slice(before).filter((call) => questionOf(call) === "fault")
    expect(ended).toMatchObject({ status: expected.status, error: expected.code && { code: expected.code } })
    const [, stored] = await this.#history(user, conversationId, 2)
    const { content } = stored!
    if (typeof expected.text === "string")
      expect(content === expected.text ? "as expected" : content).toBe("as expected")
    else expect(content).toMatch(expected.text)
    expect(stored).toEqual(ended.message)
    expect(foldText(wire.frames, ended.reply_id) === content).toBe(true)
    for (const frame of wire.frames) if (frame.type === "reply.delta") expect(frame.text.isWellFormed()).toBe(true)
    await heal()
    plain.socket.send("go on")
    const next = await wire.next("reply.ended")
    expect(next).toMatchObject({ status: "completed", message: { content: "it goes on" } })
    expect((await this.#history(user, conversationId, 4))[1]).toEqual(stored)
    expect(wire.frames.filter(({ type }) => type === "reply.ended")).toHaveLength(2)
    const heard = await plain.until((all) => all.endsWith("it goes on"))
    const error = plain.texts.filter((frame) => frame.startsWith("\n\n[Error: "))
    expect(error).toHaveLength(expected.status === "failed" ? 1 : 0)
    expect(heard === `${content}${error.join("")}it goes on`).toBe(true)
    await this.#expectRows(conversationId)
    for (const socket of [wire.socket, plain.socket]) socket.terminate()
    return { calls: calls.length, last: calls.at(-1) ?? null }
  }

  async close(): Promise<void> {
    await this.#engine.close()
    await this.#server.close()
    await this.#opened.close()
  }

  async #history(user: TestUser, conversationId: string, count: number): Promise<MessageResource[]> {
    const page = await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)
    expect(page.body.data.map(({ position }) => position)).toEqual(Array.from({ length: count }, (_, index) => index))
    return page.body.data
  }

  /** Past the engine: two replies, both ended, of one attempt each. */
  async #expectRows(conversationId: string): Promise<void> {
    const rows = await sql<{ ended: boolean; attempt: number }>(
      this.#opened.database,
      "select status in ('completed', 'failed') as ended, attempt from grizz.replies where conversation_id = $1::uuid",
      [conversationId],
    )
    expect(rows).toEqual(Array.from({ length: 2 }, () => ({ ended: true, attempt: 1 })))
  }
}

function questionOf(call: ModelCall): string {
  return (call.body as { messages: { content: string }[] }).messages.at(-1)!.content
}
