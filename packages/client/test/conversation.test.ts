import { describe, expect, test } from "vitest"
import { timeline } from "../src/timeline.ts"
import { conversation as today } from "./model-engine.ts"
import { isOpen, ScriptedConversations } from "./scripted-conversations.ts"

const scripted = new ScriptedConversations()

describe("a live conversation", () => {
  test("goes on from the exact character when the socket is cut at every delta of 200", async () => {
    const conversation = scripted.today()
    conversation.send("Tell me everything.")
    await conversation.until((state) => state.reply !== null)
    let text = ""
    for (let piece = 0; piece < 200; piece++) {
      const from = scripted.engine.model.cursor()
      scripted.engine.model.write(`${piece}🐻 `)
      text += `${piece}🐻 `
      // Half the deltas are heard before the cut, the others only after the resume.
      if (piece % 2 === 0) scripted.engine.tell(from)
      const sockets = scripted.engine.opened.length
      scripted.engine.opened.at(-1)?.socket.terminate()
      await conversation.until((state) => state.reply?.text === text && scripted.engine.opened.length > sockets)
      await conversation.until(isOpen)
    }
    const from = scripted.engine.model.cursor()
    scripted.engine.model.end()
    scripted.engine.tell(from)
    const ended = await conversation.until((state) => state.reply === null)
    expect(ended.messages).toEqual(scripted.engine.model.history())
    expect(ended.messages[1]?.content).toBe(text)
    expect(scripted.engine.opened.slice(1).every((socket) => socket.query.has("after"))).toBe(true)
  })

  test("sends a message whose acknowledgement was lost again under the same id", async () => {
    const ids: (string | undefined)[] = []
    scripted.engine.script.frame = (socket, frame) => {
      ids.push(frame["id"])
      // The first time it is stored, and the socket dies before anything is said.
      if (ids.length === 1) {
        scripted.engine.model.send(frame["id"] ?? "", frame["content"] ?? "")
        socket.socket.terminate()
      } else scripted.engine.accept(socket, frame)
    }
    const conversation = scripted.today()
    const { id } = conversation.send("Once, please.")
    expect(conversation.state.pending).toMatchObject([{ id, content: "Once, please.", status: "sending", error: null }])
    const state = await conversation.until((now) => now.messages.length === 1)
    expect(state.pending).toEqual([])
    expect(new Set(ids)).toEqual(new Set([id]))
    expect(scripted.engine.model.history().map((message) => message.id)).toEqual([id])
  })

  test("sends what was said while there was no connection, in order", async () => {
    const conversation = scripted.today()
    for (const text of ["one", "two", "three"]) conversation.send(text)
    const state = await conversation.until((now) => now.messages.length === 3)
    expect(state.messages.map((message) => message.content)).toEqual(["one", "two", "three"])
    expect(timeline(state).map((item) => item.kind)).toEqual([
      "message",
      "writing",
      "message",
      "waiting",
      "message",
      "waiting",
    ])
  })

  test("stays with the day that it found first, over reconnects", async () => {
    const conversation = scripted.today()
    await conversation.until(isOpen)
    scripted.engine.opened[0]?.socket.close(1012)
    await conversation.until(() => scripted.engine.opened.length === 2)
    const asked = scripted.engine.requests.filter((request) => request.includes("today"))
    expect(asked).toEqual(["GET /conversations/today?tz=Europe%2FBerlin"])
    expect(conversation.state.conversation).toEqual(today)
  })

  test("stops a reply, and asks again when the socket died before it could be heard", async () => {
    const conversation = scripted.today()
    conversation.send("Go on and on.")
    await conversation.until((state) => state.reply !== null)
    scripted.engine.script.frame = (socket) => {
      delete scripted.engine.script.frame
      socket.socket.terminate()
    }
    conversation.stop()
    expect(conversation.state.stopping).toHaveLength(1)
    const state = await conversation.until((now) => now.reply === null && now.messages.length === 2)
    expect(state.messages[1]?.status).toBe("stopped")
    expect(state.stopping).toEqual([])
  })

  test("shows a refusal with its reason, and sends again under the same id when told to", async () => {
    scripted.engine.script.frame = (socket, frame) => {
      delete scripted.engine.script.frame
      socket.say({ type: "error", code: "internal", message: "Something broke.", ref: frame["id"] ?? null })
    }
    const conversation = scripted.today()
    const { id } = conversation.send("hello")
    const failed = await conversation.until((state) => state.pending[0]?.status === "failed")
    expect(failed.pending[0]?.error).toEqual({ code: "internal", message: "Something broke." })
    conversation.resend(id)
    const state = await conversation.until((now) => now.messages.length === 1)
    expect(state.messages[0]?.id).toBe(id)
  })

  test("sends again by itself what was refused for now", async () => {
    let refusals = 0
    scripted.engine.script.frame = (socket, frame) => {
      if (++refusals === 3) delete scripted.engine.script.frame
      socket.say({ type: "error", code: "unavailable", message: "In a moment.", ref: frame["id"] ?? null })
    }
    const conversation = scripted.today()
    conversation.send("hello")
    await conversation.until((state) => state.messages.length === 1)
    expect(refusals).toBe(3)
  })

  test("keeps the order of what was said when the first of it is refused for now", async () => {
    let refusals = 0
    scripted.engine.script.frame = (socket, frame) => {
      if (++refusals === 2) delete scripted.engine.script.frame
      socket.say({ type: "error", code: "unavailable", message: "In a moment.", ref: frame["id"] ?? null })
    }
    const conversation = scripted.today()
    await conversation.until(isOpen)
    for (const text of ["one", "two", "three"]) conversation.send(text)
    const state = await conversation.until((now) => now.messages.length === 3)
    expect(state.messages.map(({ content }) => content)).toEqual(["one", "two", "three"])
  })

  test("reads earlier messages page by page, back to the first", async () => {
    for (let number = 0; number < 90; number++) {
      scripted.engine.model.send(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`, `message ${number}`)
      scripted.engine.model.end()
    }
    const conversation = scripted.today()
    const first = await conversation.until(isOpen)
    expect(first.messages).toHaveLength(50)
    while (conversation.state.hasEarlier) await conversation.loadEarlier()
    expect(conversation.state.messages).toEqual(scripted.engine.model.history())
  })

  test("reads an older page for whoever still wants it, when another one lets go of it", async () => {
    for (let number = 0; number < 30; number++) {
      scripted.engine.model.send(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`, `message ${number}`)
      scripted.engine.model.end()
    }
    const conversation = scripted.today()
    await conversation.until(isOpen)
    // As an effect under React's strict mode: begun, let go of, and begun again at once.
    const first = new AbortController()
    const given = conversation.loadEarlier({ signal: first.signal })
    first.abort(new Error("let go"))
    const wanted = conversation.loadEarlier({ signal: new AbortController().signal })
    await expect(given).rejects.toThrow("let go")
    await wanted
    expect(conversation.state.messages).toEqual(scripted.engine.model.history())
  })

  test("does not bring back, with an older page, what was erased while that was read", async () => {
    for (let number = 0; number < 40; number++) {
      scripted.engine.model.send(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`, `message ${number}`)
      scripted.engine.model.end()
    }
    const conversation = scripted.today()
    await conversation.until(isOpen)
    const erased = scripted.engine.model.history()[3]?.id ?? ""
    scripted.engine.script.paged = async () => {
      delete scripted.engine.script.paged
      const from = scripted.engine.model.cursor()
      scripted.engine.model.erase(erased)
      const heard = conversation.until((state) => state.cursor !== from)
      scripted.engine.tell(from)
      await heard
    }
    await conversation.loadEarlier()
    expect(conversation.state.messages).toEqual(scripted.engine.model.history())
  })

  test("sends once more, under the same id, what got no answer on a line that is open", async () => {
    const ids: (string | undefined)[] = []
    scripted.engine.script.frame = (socket, frame) => {
      ids.push(frame["id"])
      if (ids.length === 2) scripted.engine.accept(socket, frame)
    }
    const conversation = scripted.today({ timing: { acknowledgeMs: 20 } })
    const { id } = conversation.send("Hello?")
    await conversation.until((state) => state.messages.length === 1)
    expect(ids).toEqual([id, id])
  })

  test("does not send again what was too big to be read", async () => {
    let frames = 0
    scripted.engine.script.frame = ({ socket }) => {
      frames++
      socket.close(1009)
    }
    const conversation = scripted.today()
    conversation.send("A very long story")
    const failed = await conversation.until((state) => state.pending[0]?.status === "failed")
    expect(failed.pending[0]?.error?.code).toBe("too_large")
    await conversation.until(() => scripted.engine.opened.length === 2)
    await conversation.until(isOpen)
    expect(frames).toBe(1)
  })

  test("refuses blank and overlong messages without a connection", () => {
    const conversation = scripted.today()
    expect(() => conversation.send(" \n")).toThrow("blank")
    expect(() => conversation.send("a".repeat(32_001))).toThrow("32000")
    expect(conversation.state.pending).toEqual([])
  })
})
