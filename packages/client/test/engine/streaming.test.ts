import { describe, expect, test } from "vitest"
import type { ConversationEvent } from "../../src/index.ts"
import { isOpen, isQuietWith, RealEngine } from "./real-engine.ts"

const real = new RealEngine()
const pieces = Array.from({ length: 40 }, (_, index) => `${index}🐻é `)
const whole = pieces.join("")

describe.each(["websocket", "sse"] as const)("a reply over %s", (via) => {
  const options = via === "sse" ? { webSocket: null } : {}

  test("is followed from the exact character when the line is cut at every delta", async () => {
    const conversation = real.today(options)
    const events: ConversationEvent[] = []
    const listening = (async () => {
      for await (const event of conversation.events()) events.push(event)
    })()
    conversation.send("Tell me everything.")
    for (const [index] of pieces.entries()) {
      real.model.say(pieces[index] ?? "")
      await conversation.until((state) => state.reply?.text === pieces.slice(0, index + 1).join(""))
      // Every second one comes while nobody listens.
      if (index % 2 === 0) real.line.break()
    }
    real.model.finish()
    const state = await conversation.until(isQuietWith(2))
    expect(state.connection.via).toBe(via)
    expect(state.messages).toEqual(await real.history(conversation.id))
    expect(state.messages[1]?.content).toBe(whole)
    conversation.close()
    await listening
    const heard = events.flatMap((event) => (event.type === "reply.delta" ? [event.text] : []))
    expect(heard.join("")).toBe(whole)
    expect(events.filter(({ type }) => type === "message.added" || type === "reply.ended")).toHaveLength(2)
  })

  test("goes on, on another process, after a restart in its middle", async () => {
    const conversation = real.today(options)
    conversation.send("Go on through a deploy.")
    real.model.say("Before it, ")
    await conversation.until((state) => state.reply?.text === "Before it, ")
    await real.restart()
    await conversation.until((state) => (state.reply?.attempt ?? 0) > 1)
    real.model.say("after it.")
    real.model.finish()
    const state = await conversation.until(isQuietWith(2))
    expect(state.messages).toEqual(await real.history(conversation.id))
    expect(state.messages[1]?.status).toBe("completed")
  })

  test("is stopped before its first word, and while it waits, over a line that breaks", async () => {
    const conversation = real.today(options)
    conversation.send("One")
    conversation.send("Two")
    await conversation.until((state) => state.reply !== null && state.queued.length === 1)
    real.line.cut()
    conversation.stop()
    real.line.mend()
    await conversation.until((state) => state.messages.some(({ status }) => status === "stopped"))
    await conversation.until((state) => state.reply !== null)
    real.model.say("Two it is.")
    real.model.finish()
    const state = await conversation.until(isQuietWith(4))
    expect(state.messages.map(({ role, status }) => `${role} ${status}`)).toEqual([
      "user sent",
      "assistant stopped",
      "user sent",
      "assistant completed",
    ])
    expect(state.stopping).toEqual([])
  })

  test("gives way to another one on every device when it is retried", async () => {
    const conversation = real.today(options)
    const other = real.today()
    conversation.send("Say it well.")
    real.model.say("badly")
    real.model.finish()
    await Promise.all([conversation, other].map((one) => one.until(isQuietWith(2))))
    conversation.retry()
    expect(conversation.state.retry).toMatchObject({ error: null })
    await other.until((state) => state.reply !== null)
    expect(other.state.messages).toHaveLength(1)
    real.model.say("well")
    real.model.finish()
    for (const one of [conversation, other]) {
      const state = await one.until((now) => isQuietWith(2)(now) && now.messages[1]?.content === "well")
      expect(state.messages).toEqual(await real.history(conversation.id))
      expect(state.retry).toBeNull()
    }
    expect(real.engine.modelCalls()).toBe(2)
  })

  test("is retried once, however the line breaks", async () => {
    const conversation = real.today(options)
    conversation.send("Say it well.")
    real.model.say("badly")
    real.model.finish()
    await conversation.until(isQuietWith(2))
    const lost = real.line.loseNextAnswer()
    conversation.retry()
    await lost
    real.model.say("well")
    real.model.finish()
    const state = await conversation.until((now) => isQuietWith(2)(now) && now.messages[1]?.content === "well")
    expect(state.messages).toEqual(await real.history(conversation.id))
    expect(real.engine.modelCalls()).toBe(2)
  })

  test("says why a retry is refused", async () => {
    const conversation = real.today(options)
    conversation.send("One")
    real.model.say("eins")
    real.model.finish()
    await conversation.until(isQuietWith(2))
    conversation.send("Two")
    await conversation.until((state) => state.reply !== null)
    conversation.retry()
    const state = await conversation.until((now) => now.retry?.error !== null && now.retry !== null)
    expect(state.retry?.error?.code).toBe("conflict")
    real.model.finish()
    await conversation.until(isQuietWith(4))
  })
})

describe("a line", () => {
  test("goes over server-sent events where WebSockets are blocked, and back where they are not", async () => {
    real.line.blocksSockets = true
    const client = real.client()
    const conversation = real.follow(client.today("UTC"))
    expect((await conversation.until(isOpen)).connection.via).toBe("sse")
    conversation.send("Through the wall")
    real.model.say("heard")
    real.model.finish()
    await conversation.until(isQuietWith(2))
    real.line.blocksSockets = false
    client.wake()
    real.line.break()
    const state = await conversation.until((now) => now.connection.via === "websocket")
    expect(state.messages).toEqual(await real.history(conversation.id))
  })

  test("that went deaf is found by its heartbeat, and another one goes on", async () => {
    const conversation = real.today({ timing: { heartbeatMs: 50, silenceMs: 200 } })
    conversation.send("Are you there?")
    await conversation.until((state) => state.reply !== null)
    real.line.isDeaf = true
    real.model.say("I am.")
    real.model.finish()
    await conversation.until((state) => state.connection.status === "reconnecting")
    real.line.mend()
    await conversation.until(isQuietWith(2))
  })

  test("that went deaf is found over server-sent events too", async () => {
    const conversation = real.today({ webSocket: null, timing: { streamSilenceMs: 200, connectTimeoutMs: 500 } })
    conversation.send("Are you there?")
    await conversation.until((state) => state.reply !== null)
    real.line.isDeaf = true
    real.model.say("I am.")
    real.model.finish()
    await conversation.until((state) => state.connection.status === "reconnecting")
    real.line.mend()
    await conversation.until(isQuietWith(2))
  })

  test("ends for good when the conversation is deleted", async () => {
    const client = real.client()
    const { id } = await client.call("POST /conversations", { body: { title: "short-lived" } })
    const conversations = [client, real.client({ webSocket: null })].map((one) => real.follow(one.conversation(id)))
    for (const conversation of conversations) await conversation.until(isOpen)
    const over = conversations.map(async (conversation) => {
      for await (const event of conversation.events()) expect(event.type).not.toBe("ready")
    })
    await client.call("DELETE /conversations/{id}", { id })
    for (const end of over) await expect(end).rejects.toMatchObject({ code: "not_found", status: 4404 })
  })

  test("shows an erased message to nobody any more", async () => {
    const client = real.client()
    const conversation = real.follow(client.today("UTC"))
    const { id: message_id } = conversation.send("Forget this.")
    real.model.finish()
    const { messages } = await conversation.until(isQuietWith(2))
    const id = conversation.id ?? ""
    await client.call("DELETE /conversations/{id}/messages/{message_id}", { id, message_id })
    const state = await conversation.until(isQuietWith(1))
    expect(state.messages).toEqual(messages.slice(1))
  })
})
