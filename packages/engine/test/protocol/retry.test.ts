import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, expect, test } from "vitest"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import type { Wire } from "../support/wire.ts"

interface Retried {
  reply_id: string
  message_id: string
}

describeDatabases("retry", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string
  let wire: Wire

  beforeEach(async () => {
    model = new ScriptedModel()
    engine = await startTestEngine({ database: database(), script: model.script, env: { DRAIN_TIMEOUT_MS: "0" } })
    user = await engine.user()
    conversationId = await user.today()
    wire = await user.connect(conversationId)
  })
  afterEach(() => engine.close())

  async function turn(text: string, answer: string, id: string = randomUUID()) {
    wire.say(id, text)
    model.say(answer)
    model.finish()
    return wire.next("reply.ended")
  }

  const contents = async (query = "") => {
    const path = `/conversations/${conversationId}/messages${query}`
    const { body } = await user.request<{ data: { content: string }[] }>("GET", path)
    return body.data.map(({ content }) => content)
  }

  test.each(["REST", "a frame"])(
    "asked for over %s, is a new reply that supersedes the old one, on every device",
    async (way) => {
      await turn("one", "eins")
      const old = await turn("two", "zwei, badly")
      const other = await user.connect(conversationId)
      if (way === "REST") {
        const { status, body } = await user.request<Retried>("POST", `/replies/${old.reply_id}/retry`)
        expect(status).toBe(201)
        expect(Object.keys(body).sort()).toEqual(["message_id", "reply_id"])
      } else wire.send({ type: "reply.retry", reply_id: old.reply_id })
      const started = await other.next("reply.started")
      expect(await wire.next("reply.started")).toEqual(started)
      expect(started.reply_id).not.toBe(old.reply_id)
      model.say("zwei")
      model.finish()
      const ended = await other.next("reply.ended")
      expect(ended).toMatchObject({ reply_id: started.reply_id, message: { content: "zwei", position: 4 } })
      expect(model.asked).toEqual(["one", "eins", "two"])
      expect(await contents()).toEqual(["one", "eins", "two", "zwei"])
      expect(await contents("?superseded=true")).toEqual(["one", "eins", "two", "zwei, badly", "zwei"])
    },
  )

  test("a repeat of the message over HTTP then gives the new reply", async () => {
    const id = randomUUID()
    const old = await turn("one", "badly", id)
    const { body } = await user.request<Retried>("POST", `/replies/${old.reply_id}/retry`)
    expect(body.message_id).toBe(id)
    const joined = await user.sayOverHttp(conversationId, id, "one")
    model.say("well")
    model.finish()
    expect(await joined.next("reply.ended")).toMatchObject({ reply_id: body.reply_id, message: { content: "well" } })
    const again = await user.request("POST", `/conversations/${conversationId}/messages`, { id, content: "one" })
    expect(again).toMatchObject({
      status: 201,
      body: { message: { id }, reply: { id: body.reply_id, content: "well" } },
    })
  })

  test("is a conflict for a reply that runs, and for one that is not the newest", async () => {
    const first = await turn("one", "eins")
    wire.say(randomUUID(), "two")
    const { reply_id } = await wire.next("reply.started")
    for (const id of [first.reply_id, reply_id]) {
      const { status, body } = await user.request("POST", `/replies/${id}/retry`)
      expect([status, body["code"]]).toEqual([409, "conflict"])
      wire.send({ type: "reply.retry", reply_id: id })
      expect(await wire.next("error")).toMatchObject({ code: "conflict", ref: id })
    }
    model.finish()
    await wire.next("reply.ended")
    expect(engine.modelCalls()).toBe(2)
  })

  test("someone else's reply, a missing and a malformed one are the same 404", async () => {
    const { reply_id } = await turn("one", "eins")
    const stranger = await engine.user()
    const answers = await Promise.all(
      [reply_id, randomUUID(), "no-uuid"].map((id) => stranger.request("POST", `/replies/${id}/retry`)),
    )
    expect(answers[0]).toMatchObject({ status: 404, body: { code: "not_found" } })
    expect(answers[1]).toEqual(answers[0])
    expect(answers[2]).toEqual(answers[0])
    const theirs = await stranger.connect(await stranger.today())
    theirs.send({ type: "reply.retry", reply_id })
    expect(await theirs.next("error")).toMatchObject({ code: "not_found", ref: reply_id })
    expect(engine.modelCalls()).toBe(1)
  })
})
