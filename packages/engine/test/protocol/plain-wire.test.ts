import { afterEach, beforeEach, expect, test } from "vitest"
import { sql } from "../support/database-sql.ts"
import { describeDatabases } from "../support/describe-databases.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ScriptedModel } from "../support/scripted-model.ts"

describeDatabases("the first engine's wire", (database) => {
  let engine: TestEngine
  let model: ScriptedModel
  let user: TestUser
  let conversationId: string

  beforeEach(async () => {
    model = new ScriptedModel()
    // A reply that an earlier test's engine handed over would be taken up, and eat what this model is told to say.
    await sql(database(), "delete from public.conversations")
    engine = await startTestEngine({ database: database(), script: model.script, env: { DRAIN_TIMEOUT_MS: "0" } })
    user = await engine.user()
    conversationId = await user.today()
  })
  afterEach(() => engine.close())

  test("text in is a message, the texts out are the pieces of its reply, and nothing else is said", async () => {
    const wire = await user.connectPlain(conversationId)
    wire.socket.send("Hello")
    model.say("Good ", "morning")
    model.finish()
    wire.socket.send("And you?")
    await wire.until((text) => text === "Good morning")
    model.say("Fine.")
    model.finish()
    await wire.until((text) => text === "Good morningFine.")
    const history = await user.request<{ data: { content: string }[] }>(
      "GET",
      `/conversations/${conversationId}/messages`,
    )
    expect(history.body.data.map(({ content }) => content)).toEqual(["Hello", "Good morning", "And you?", "Fine."])
  })

  test("a socket hears only the replies to its own messages", async () => {
    const [one, other] = [await user.connectPlain(conversationId), await user.connectPlain(conversationId)]
    const watcher = await user.connect(conversationId)
    one.socket.send("from one")
    model.say("to one")
    model.finish()
    await watcher.next("reply.ended")
    other.socket.send("from other")
    model.say("to other")
    model.finish()
    await watcher.next("reply.ended")
    await other.until((text) => text === "to other")
    expect(one.texts.join("")).toBe("to one")
  })

  test("a failed reply is one error frame, and the next one is whole", async () => {
    const wire = await user.connectPlain(conversationId)
    wire.socket.send("go")
    model.say("half", { cut: true })
    await wire.until((text) => text.endsWith("]"))
    expect(wire.texts.at(-1)).toMatch(/^\n\n\[Error: .+\]$/)
    wire.socket.send("again")
    model.say("whole")
    model.finish()
    await wire.until((text) => text.endsWith("whole"))
    expect(wire.texts.filter((text) => text.startsWith("\n\n[Error: "))).toHaveLength(1)
  })

  test("a stopped reply just ends", async () => {
    const wire = await user.connectPlain(conversationId)
    const watcher = await user.connect(conversationId)
    wire.socket.send("go")
    model.say("half")
    const { reply_id } = await watcher.next("reply.delta")
    watcher.send({ type: "reply.stop", reply_id })
    await watcher.next("reply.ended")
    // Until the model knows, it would say the next words into the call that is over.
    await expect.poll(() => model.signal.aborted).toBe(true)
    wire.socket.send("again")
    model.say("|whole")
    model.finish()
    expect(await wire.until((text) => text.endsWith("whole"))).toBe("half|whole")
  })

  test.each([
    ["an empty message", ""],
    ["a blank message", " \n\t "],
    ["a message that is too long", "x".repeat(32_001)],
    ["NUL", "a\0b"],
  ])("%s is refused by an error frame, and the socket lives on", async (_, text) => {
    const wire = await user.connectPlain(conversationId)
    wire.socket.send(text)
    await wire.until((received) => /^\n\n\[Error: .+\]$/.test(received))
    wire.socket.send("fine")
    model.say("good")
    model.finish()
    await wire.until((received) => received.endsWith("good"))
  })

  test("a JSON frame is text like any other", async () => {
    const wire = await user.connectPlain(conversationId)
    wire.socket.send('{"type":"ping"}')
    model.say("ok")
    model.finish()
    await wire.until((text) => text === "ok")
    expect(model.asked).toEqual(['{"type":"ping"}'])
  })
})
