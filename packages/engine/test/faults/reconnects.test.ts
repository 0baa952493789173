import { randomUUID } from "node:crypto"
import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { foldText, type Wire } from "../support/wire.ts"

const users = 10
const socketsEach = 50

interface Client {
  user: TestUser
  conversationId: string
  wire: Wire
}

describe(`500 sockets that all reconnect at once on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  let clients: Client[]

  const script = () => [{ text: "an answer, " }, { text: "for everybody" }]

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    engine = await startTestEngine({ database: opened.database, script })
    const everybody = await Promise.all(Array.from({ length: users }, () => engine.user()))
    clients = (await Promise.all(everybody.map((user) => connectAll(user)))).flat()
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
  })

  async function connectAll(user: TestUser): Promise<Client[]> {
    const conversationId = await user.today()
    const open = async () => ({ user, conversationId, wire: await user.connect(conversationId) })
    return Promise.all(Array.from({ length: socketsEach }, open))
  }

  /** One turn in each conversation. */
  async function talk(): Promise<void> {
    const speak = async ({ user, conversationId }: Client) => {
      const body = { id: randomUUID(), content: "anybody?" }
      expect((await user.request("POST", `/conversations/${conversationId}/messages`, body)).status).toBe(201)
    }
    await Promise.all(clients.filter((_, index) => index % socketsEach === 0).map(speak))
  }

  /** Statements that ran for clients. */
  const statements = (of: TestEngine) =>
    of
      .takeStatements()
      .filter((name) => !["grizz_late_conversations", "grizz_take_over", "grizz_index_messages"].includes(name))

  /** Each comes back with its cursor, to exactly what it missed, for one statement. */
  async function comeBack(to: TestEngine): Promise<void> {
    const people = new Map<string, TestUser>()
    for (const { user } of clients) if (!people.has(user.id)) people.set(user.id, await to.user(user.id))
    statements(to)
    const back = await Promise.all(
      clients.map(async ({ user, conversationId, wire }) => {
        const last = wire.frames.findLast((frame) => "cursor" in frame)!
        const again = await people.get(user.id)!.connect(conversationId, "cursor" in last ? last.cursor : undefined)
        await again.next("reply.ended")
        return { before: wire.frames, again: again.frames }
      }),
    )
    const ran = statements(to)
    expect(ran.length).toBeLessThanOrEqual(clients.length)
    expect(new Set(ran).size).toBe(1)
    for (const { before, again } of back) {
      expect(again[0]).toMatchObject({ type: "ready", messages: null })
      const told = [...before, ...again.slice(1)]
      const types = told.map(({ type }) => type).filter((type) => type !== "reply.delta")
      const turn = ["message.added", "reply.started", "reply.ended"]
      expect(types).toEqual(["ready", ...turn, ...turn])
      for (const frame of told)
        if (frame.type === "reply.ended") expect(foldText(told, frame.reply_id)).toBe(frame.message.content)
    }
  }

  async function missATurn(): Promise<void> {
    await talk()
    await Promise.all(clients.map(({ wire }) => wire.next("reply.ended")))
    for (const { wire } of clients) wire.socket.terminate()
    await Promise.all(clients.map(({ wire }) => wire.closed))
    await talk()
  }

  test("because the network was away: at most one statement each, and nobody misses a word", async () => {
    await missATurn()
    await comeBack(engine)
    const { user, conversationId } = clients[0]!
    const history = await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages`)
    expect(history.body.data).toHaveLength(4)
  })

  test("because their node was replaced: at most one statement each, and nobody misses a word", async () => {
    await missATurn()
    const next = await startTestEngine({ database: opened.database, script })
    await engine.close()
    engine = next
    await comeBack(next)
  })
})
