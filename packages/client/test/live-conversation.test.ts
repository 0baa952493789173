import { once } from "node:events"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import {
  type ConversationState,
  GrizzClient,
  type GrizzClientOptions,
  type LiveConversation,
  timeline,
} from "../src/index.ts"
import { conversation as today } from "./model-engine.ts"
import { ScriptedEngine } from "./scripted-engine.ts"

const timing = { backoffBaseMs: 2, backoffMaxMs: 10, connectTimeoutMs: 2_000, heartbeatMs: 5_000, silenceMs: 5_000 }
const open: LiveConversation[] = []
let engine: ScriptedEngine

beforeEach(async () => {
  engine = await ScriptedEngine.start()
})
afterEach(async () => {
  for (const one of open.splice(0)) one.close()
  await engine.stop()
})

function converse(options: Partial<GrizzClientOptions> = {}): LiveConversation {
  const client = new GrizzClient({ url: engine.url, token: async () => "token", timing, ...options })
  const conversation = client.openConversation("today", { timezone: "Europe/Berlin" })
  open.push(conversation)
  return conversation
}

/** The first state that fits; a state that never comes is the test's timeout. */
function until(
  conversation: LiveConversation,
  fits: (state: ConversationState) => boolean,
): Promise<ConversationState> {
  const { promise, resolve } = Promise.withResolvers<ConversationState>()
  const look = () => {
    if (fits(conversation.getSnapshot())) resolve(conversation.getSnapshot())
  }
  const stop = conversation.subscribe(look)
  look()
  return promise.finally(stop)
}
const isOpen = (state: ConversationState) => state.connection.status === "open"
const isClosed = (state: ConversationState) => state.connection.status === "closed"

describe("a live conversation", () => {
  test("goes on from the exact character when the socket is cut at every delta of 200", async () => {
    const conversation = converse()
    conversation.send("Tell me everything.")
    await until(conversation, (state) => state.reply !== null)
    let text = ""
    for (let piece = 0; piece < 200; piece++) {
      const from = engine.model.cursor()
      engine.model.write(`${piece}🐻 `)
      text += `${piece}🐻 `
      // Half the deltas are heard before the cut, the others only after the resume.
      if (piece % 2 === 0) engine.tell(from)
      const sockets = engine.opened.length
      engine.opened.at(-1)?.socket.terminate()
      await until(conversation, (state) => state.reply?.text === text && engine.opened.length > sockets)
      await until(conversation, isOpen)
    }
    const from = engine.model.cursor()
    engine.model.end()
    engine.tell(from)
    const ended = await until(conversation, (state) => state.reply === null)
    expect(ended.messages).toEqual(engine.model.history())
    expect(ended.messages[1]?.content).toBe(text)
    expect(engine.opened.slice(1).every((socket) => socket.query.has("after"))).toBe(true)
  })

  test("sends a message whose acknowledgement was lost again under the same id", async () => {
    const ids: (string | undefined)[] = []
    engine.script.frame = (socket, frame) => {
      ids.push(frame["id"])
      // The first time it is stored, and the socket dies before anything is said.
      if (ids.length === 1) {
        engine.model.send(frame["id"] ?? "", frame["content"] ?? "")
        socket.socket.terminate()
      } else engine.accept(socket, frame)
    }
    const conversation = converse()
    const id = conversation.send("Once, please.")
    expect(conversation.getSnapshot().pending).toEqual([
      { id, content: "Once, please.", status: "sending", error: null },
    ])
    const state = await until(conversation, (now) => now.messages.length === 1)
    expect(state.pending).toEqual([])
    expect(new Set(ids)).toEqual(new Set([id]))
    expect(engine.model.history().map((message) => message.id)).toEqual([id])
  })

  test("sends what was said while there was no connection, in order", async () => {
    const conversation = converse()
    for (const text of ["one", "two", "three"]) conversation.send(text)
    const state = await until(conversation, (now) => now.messages.length === 3)
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
    const conversation = converse()
    await until(conversation, isOpen)
    engine.opened[0]?.socket.close(1012)
    await until(conversation, () => engine.opened.length === 2)
    expect(engine.requests).toEqual(["GET /conversations/today?tz=Europe%2FBerlin"])
    expect(conversation.getSnapshot().conversation).toEqual(today)
  })

  test("stops a reply, and asks again when the socket died before it could be heard", async () => {
    const conversation = converse()
    conversation.send("Go on and on.")
    await until(conversation, (state) => state.reply !== null)
    engine.script.frame = (socket) => {
      delete engine.script.frame
      socket.socket.terminate()
    }
    conversation.stop()
    expect(conversation.getSnapshot().stopping).toHaveLength(1)
    const state = await until(conversation, (now) => now.reply === null && now.messages.length === 2)
    expect(state.messages[1]?.status).toBe("stopped")
    expect(state.stopping).toEqual([])
  })

  test("shows a refusal with its reason, and sends again under the same id when told to", async () => {
    engine.script.frame = (socket, frame) => {
      delete engine.script.frame
      socket.say({ type: "error", code: "internal", message: "Something broke.", ref: frame["id"] ?? null })
    }
    const conversation = converse()
    const id = conversation.send("hello")
    const failed = await until(conversation, (state) => state.pending[0]?.status === "failed")
    expect(failed.pending[0]?.error).toEqual({ code: "internal", message: "Something broke." })
    conversation.retryFailedSend(id)
    const state = await until(conversation, (now) => now.messages.length === 1)
    expect(state.messages[0]?.id).toBe(id)
  })

  test("sends again by itself what was refused for now", async () => {
    let refusals = 0
    engine.script.frame = (socket, frame) => {
      if (++refusals === 3) delete engine.script.frame
      socket.say({ type: "error", code: "unavailable", message: "In a moment.", ref: frame["id"] ?? null })
    }
    const conversation = converse()
    conversation.send("hello")
    await until(conversation, (state) => state.messages.length === 1)
    expect(refusals).toBe(3)
  })

  test("reads earlier messages page by page, back to the first", async () => {
    for (let number = 0; number < 90; number++) {
      engine.model.send(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`, `message ${number}`)
      engine.model.end()
    }
    const conversation = converse()
    const first = await until(conversation, isOpen)
    expect(first.messages).toHaveLength(50)
    while (conversation.getSnapshot().hasEarlier) await conversation.loadEarlier()
    expect(conversation.getSnapshot().messages).toEqual(engine.model.history())
  })

  test("refuses blank and overlong messages without a connection", () => {
    const conversation = converse()
    expect(() => conversation.send(" \n")).toThrow("blank")
    expect(() => conversation.send("a".repeat(32_001))).toThrow("32000")
    expect(conversation.getSnapshot().pending).toEqual([])
  })
})

describe("the connection", () => {
  test("asks once for a new token when it is refused, and then gives up", async () => {
    engine.script.opened = ({ socket }) => socket.close(4401, "Expired.")
    const asked: (string | undefined)[] = []
    const token = async (refused?: string) => {
      asked.push(refused)
      return `token ${asked.length}`
    }
    const state = await until(converse({ token }), isClosed)
    expect(state.connection.error).toMatchObject({ code: "unauthenticated", message: "Expired." })
    expect(engine.opened.map((socket) => socket.query.get("token"))).toEqual(["token 2", "token 3"])
    expect(asked).toEqual([undefined, undefined, "token 2"])
  })

  test("goes on with the new token", async () => {
    engine.script.opened = (socket) =>
      socket.query.get("token") === "new" ? socket.greet() : socket.socket.close(4401)
    const state = await until(converse({ token: async (refused) => (refused === "old" ? "new" : "old") }), isOpen)
    expect(state.conversation?.id).toBe(today.id)
  })

  test.each([
    [4404, "not_found"],
    [4400, "invalid_request"],
  ])("gives up at close code %i", async (code, expected) => {
    engine.script.opened = ({ socket }) => socket.close(code)
    const state = await until(converse(), isClosed)
    expect(state.connection.error?.code).toBe(expected)
    expect(engine.opened).toHaveLength(1)
  })

  test("returns at once after a restart, however long its backoff", async () => {
    const conversation = converse({ timing: { ...timing, backoffBaseMs: 3_600_000, backoffMaxMs: 3_600_000 } })
    await until(conversation, isOpen)
    engine.opened[0]?.socket.close(1012)
    await until(conversation, () => engine.opened.length === 2)
    expect(await until(conversation, isOpen)).toMatchObject({ conversation: today })
  })

  test("notices a socket that has gone silent, and opens another", async () => {
    const conversation = converse({ timing: { ...timing, heartbeatMs: 5, silenceMs: 5 } })
    engine.script.frame = () => {}
    await until(conversation, () => engine.opened.length === 3)
    for (const { socket } of engine.opened.slice(0, 2)) if (socket.readyState !== 3) await once(socket, "close")
    expect(engine.opened.slice(0, 2).map(({ socket }) => socket.readyState)).toEqual([3, 3])
  })

  test("says that it reconnects while the engine is away, and recovers", async () => {
    const conversation = converse()
    await until(conversation, isOpen)
    engine.script.opened = ({ socket }) => socket.terminate()
    engine.opened[0]?.socket.terminate()
    await until(conversation, (state) => state.connection.status === "reconnecting" && engine.opened.length > 3)
    delete engine.script.opened
    expect((await until(conversation, isOpen)).connection.error).toBeNull()
  })

  test("renews the token of a REST call that was refused with 401, once", async () => {
    const client = new GrizzClient({
      url: `${engine.url}/`,
      token: async (refused) => (refused === "old" ? "new" : "old"),
    })
    engine.script.accepts = (token) => token === "new"
    await expect(client.conversation(today.id)).resolves.toEqual(today)
    engine.script.accepts = () => false
    await expect(client.conversation(today.id)).rejects.toMatchObject({ code: "unauthenticated", status: 401 })
    expect(engine.requests).toHaveLength(4)
  })

  test("calls an engine that is not there a network error", async () => {
    const client = new GrizzClient({ url: "http://127.0.0.1:1", token: async () => "token" })
    await expect(client.today("UTC")).rejects.toMatchObject({ name: "GrizzError", code: "network", status: null })
  })
})
