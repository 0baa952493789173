import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { migrate } from "../../src/db/migrate.ts"
import type { PostgresDatabase } from "../../src/db/postgres-database.ts"
import { createServerDatabase, missingServer, openServerDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { TcpProxy } from "../support/tcp-proxy.ts"
import { foldText } from "../support/wire.ts"

describe.skipIf(missingServer !== null)(`faults of the database${missingServer ? `: ${missingServer}` : ""}`, () => {
  let drop: () => Promise<void>
  let proxy: TcpProxy
  let database: PostgresDatabase
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    const created = await createServerDatabase()
    drop = created.drop
    const url = new URL(created.url)
    proxy = await TcpProxy.start({ host: url.hostname, port: Number(url.port) })
    url.hostname = "127.0.0.1"
    url.port = String(proxy.port)
    database = openServerDatabase(url.href)
    await migrate(database)
    model = new ScriptedModel()
    engine = await startTestEngine({ database, script: model.script, env: { DRAIN_TIMEOUT_MS: "300" } })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(async () => {
    await engine.close()
    await database.close()
    await proxy.close()
    await drop()
  })

  async function history(): Promise<{ content: string; status: string }[]> {
    const path = `/conversations/${conversationId}/messages`
    return (await user.request<{ data: { content: string; status: string }[] }>("GET", path)).body.data
  }

  test("a send whose answer was lost after the commit is acknowledged to every device, and answered once", async () => {
    const [wire, other] = [await user.connect(conversationId), await user.connect(conversationId)]
    const id = randomUUID()
    const lost = proxy.loseAnswerTo("grizz_accept_message")
    wire.say(id, "once")
    await lost
    expect((await wire.next("message.added")).message).toMatchObject({ id, position: 0 })
    expect((await other.next("message.added")).message).toMatchObject({ id, position: 0 })
    model.say("yes")
    model.finish()
    expect(await wire.next("reply.ended")).toMatchObject({ status: "completed", message: { content: "yes" } })
    wire.say(id, "once")
    await wire.next("message.accepted")
    expect(engine.modelCalls()).toBe(1)
    expect((await history()).map(({ content }) => content)).toEqual(["once", "yes"])
  })

  test("an end whose answer was lost after the commit is announced, and the next reply runs", async () => {
    const wire = await user.connect(conversationId)
    const plain = await user.connectPlain(conversationId)
    plain.socket.send("one")
    const first = await wire.next("reply.started")
    wire.say(randomUUID(), "two")
    const second = await wire.next("message.added")
    const lost = proxy.loseAnswerTo("grizz_end_reply")
    model.say("eins")
    model.finish()
    await lost
    expect(await wire.next("reply.ended")).toMatchObject({ reply_id: first.reply_id, status: "completed" })
    expect(await wire.next("reply.started")).toMatchObject({ reply_id: second.reply_id, attempt: 1 })
    model.say("zwei")
    model.finish()
    expect(await wire.next("reply.ended")).toMatchObject({ reply_id: second.reply_id, status: "completed" })
    expect(plain.texts.join("")).toBe("eins")
    expect(engine.modelCalls()).toBe(2)
    expect((await history()).map(({ content }) => content)).toEqual(["one", "eins", "two", "zwei"])
  })

  test("while the database is away sends are refused at once, the text goes on, and the end is saved when it is back", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    model.say("before, ")
    const { reply_id } = await wire.next("reply.delta")
    proxy.refuse()
    model.say("during, ")
    await wire.next("reply.delta")
    const refused = randomUUID()
    wire.say(refused, "are you there?")
    expect(await wire.next("error")).toMatchObject({ code: "unavailable", ref: refused })
    expect((await fetch(`${engine.url}/ready`)).status).toBe(503)
    expect((await fetch(`${engine.url}/health`)).status).toBe(200)
    model.say("and after")
    model.finish()
    await wire.next("reply.delta")
    proxy.accept()
    const ended = await wire.next("reply.ended")
    expect(ended).toMatchObject({ reply_id, status: "completed", message: { content: "before, during, and after" } })
    expect(foldText(wire.frames, reply_id)).toBe("before, during, and after")
    wire.say(refused, "are you there?")
    await wire.next("message.added")
  })

  test("a shutdown ends in time although the end of a stopped reply cannot be saved", async () => {
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), "go")
    model.say("half")
    const { reply_id } = await wire.next("reply.delta")
    wire.send({ type: "reply.stop", reply_id })
    proxy.refuse()
    const startedAtMs = performance.now()
    await engine.drain()
    expect(performance.now() - startedAtMs).toBeLessThan(10_000)
    expect((await wire.closed).code).toBe(1012)
  })
})
