import { once } from "node:events"
import { describe, expect, test } from "vitest"
import { GrizzClient } from "../src/index.ts"
import { conversation as today } from "./model-engine.ts"
import { isClosed, isOpen, ScriptedConversations, tokenOf } from "./scripted-conversations.ts"

const scripted = new ScriptedConversations()
const hourMs = 3_600_000

describe("the connection", () => {
  test("asks once for another token when the sign-in is refused, and then gives up", async () => {
    scripted.engine.script.opened = ({ socket }) => socket.close(4401, "Expired.")
    const refused: (string | undefined)[] = []
    const token = async (former?: string) => {
      if (former !== undefined) refused.push(former)
      return `token ${refused.length}`
    }
    const state = await scripted.today({ token }).until(isClosed)
    expect(state.connection.error).toMatchObject({ code: "unauthenticated", message: "Expired." })
    expect(scripted.engine.opened.map((socket) => socket.query.get("ticket"))).toEqual(["token 0", "token 1"])
    expect(refused).toEqual(["token 0"])
  })

  test("goes on with the new token, and puts none into a URL", async () => {
    scripted.engine.script.accepts = (token) => token === "new"
    const token = async (refused?: string) => (refused === "old" ? "new" : "old")
    const state = await scripted.today({ token }).until(isOpen)
    expect(state.conversation?.id).toBe(today.id)
    expect(scripted.engine.tickets).toEqual(["new"])
    expect([...(scripted.engine.opened[0]?.query.keys() ?? [])]).toEqual(["ticket"])
  })

  test("signs in again before the token expires, on the socket that is open", async () => {
    const tokens = ["first", "first", "second"]
    const asked: (string | undefined)[] = []
    const token = async (refused?: string) => {
      asked.push(refused)
      return refused === undefined ? "first" : (tokens.shift() ?? "none")
    }
    const refreshed = Promise.withResolvers<string | undefined>()
    scripted.engine.script.frame = (_, frame) => refreshed.resolve(frame["token"])
    await scripted.today({ token, timing: { tokenRetryMs: 2 } }).until(isOpen)
    scripted.engine.opened[0]?.say({ type: "auth.expiring", expires_at: new Date().toISOString() })
    // The provider had no other one at first, and was asked again.
    expect(await refreshed.promise).toBe("second")
    expect(asked.filter((one) => one !== undefined)).toEqual(["first", "first", "first"])
    expect(scripted.engine.opened).toHaveLength(1)
  })

  test.each([
    [4404, "not_found"],
    [4400, "invalid_request"],
  ])("gives up at close code %i", async (code, expected) => {
    scripted.engine.script.opened = ({ socket }) => socket.close(code)
    const state = await scripted.today().until(isClosed)
    expect(state.connection.error?.code).toBe(expected)
    expect(scripted.engine.opened).toHaveLength(1)
  })

  test.each([1012, 4408])("returns at once after close code %i, however long its backoff", async (code) => {
    const conversation = scripted.today({ timing: { backoffBaseMs: hourMs, backoffMaxMs: hourMs }, random: () => 1 })
    await conversation.until(isOpen)
    scripted.engine.opened[0]?.socket.close(code)
    await conversation.until(() => scripted.engine.opened.length === 2)
    expect(await conversation.until(isOpen)).toMatchObject({ conversation: today })
    expect(scripted.engine.opened[1]?.query.get("after")).toBe("0")
  })

  test.each([4429, 1013, 1011, 1006])("backs off after close code %i", async (code) => {
    let draws = 0
    const random = () => {
      draws++
      return 1
    }
    const conversation = scripted.today({ timing: { backoffBaseMs: hourMs, backoffMaxMs: hourMs }, random })
    await conversation.until(isOpen)
    expect(draws).toBe(0)
    if (code === 1006) scripted.engine.opened[0]?.socket.terminate()
    else scripted.engine.opened[0]?.socket.close(code)
    await conversation.until((state) => state.connection.status === "reconnecting")
    expect(draws).toBe(1)
    // It waits for an hour now, unless the app says otherwise.
    conversation.connect()
    await conversation.until(isOpen)
    expect(scripted.engine.opened).toHaveLength(2)
  })

  test("does not wait at once again for an engine that dies right after it said ready", async () => {
    let waits = 0
    const random = () => {
      waits++
      return 0
    }
    scripted.engine.script.opened = (socket) => {
      socket.greet()
      socket.socket.close(1012)
    }
    const conversation = scripted.today({ random })
    await conversation.until(() => scripted.engine.opened.length > 3)
    expect(waits).toBeGreaterThanOrEqual(2)
  })

  test("notices a socket that has gone silent, and opens another", async () => {
    const conversation = scripted.today({ timing: { heartbeatMs: 5, silenceMs: 5 } })
    scripted.engine.script.frame = () => {}
    await conversation.until(() => scripted.engine.opened.length === 3)
    const [first, second] = scripted.engine.opened
    for (const one of [first, second]) if (one?.socket.readyState !== 3) await once(one?.socket ?? process, "close")
    expect([first?.socket.readyState, second?.socket.readyState]).toEqual([3, 3])
  })

  test("asks at once whether the line lives when the device wakes up", async () => {
    const client = scripted.client({ timing: { heartbeatMs: hourMs } })
    const conversation = scripted.follow(client.conversation(today.id))
    await conversation.until(isOpen)
    const asked = Promise.withResolvers<string | undefined>()
    scripted.engine.script.frame = (_, frame) => asked.resolve(frame["type"])
    client.wake()
    expect(await asked.promise).toBe("ping")
  })

  test("says that it reconnects while the engine is away, and recovers", async () => {
    const conversation = scripted.today({ webSocket: WebSocket })
    await conversation.until(isOpen)
    scripted.engine.script.opened = ({ socket }) => socket.terminate()
    scripted.engine.opened[0]?.socket.terminate()
    await conversation.until((state) => state.connection.status === "reconnecting" && scripted.engine.opened.length > 3)
    delete scripted.engine.script.opened
    expect((await conversation.until(isOpen)).connection).toEqual({ status: "open", via: "websocket", error: null })
  })
})

describe("a call", () => {
  test("is repeated once with another token when it is refused with 401", async () => {
    const token = async (refused?: string) => (refused === "old" ? "new" : "old")
    const client = new GrizzClient({ url: `${scripted.engine.url}/`, token })
    scripted.engine.script.accepts = (one) => one === "new"
    await expect(client.call("GET /conversations/{id}", { id: today.id })).resolves.toEqual(today)
    scripted.engine.script.accepts = () => false
    const refused = client.call("GET /conversations/{id}", { id: today.id })
    await expect(refused).rejects.toMatchObject({ code: "unauthenticated", status: 401 })
    expect(scripted.engine.requests).toEqual(Array(4).fill(`GET /conversations/${today.id}`))
  })

  test("asks for one new token however many calls were refused at once", async () => {
    let renewals = 0
    const token = async (refused?: string) => {
      if (refused !== undefined) renewals++
      return renewals === 0 ? "old" : "new"
    }
    const client = scripted.client({ token })
    scripted.engine.script.accepts = (one) => one === "new"
    await Promise.all([1, 2, 3].map(() => client.call("GET /conversations")))
    expect(renewals).toBe(1)
  })

  test("writes what it is given into path, query and body", async () => {
    const client = scripted.client()
    await client.call("GET /conversations/{id}/messages", { id: "a/b", query: { limit: 2, before: null } })
    await client.call("DELETE /conversations/{id}/messages/{message_id}", { id: "1", message_id: "2" })
    expect(scripted.engine.requests).toEqual([
      "GET /conversations/a%2Fb/messages?limit=2",
      "DELETE /conversations/1/messages/2",
    ])
  })

  test("that finds no engine is a network error, and an aborted one is the signal's reason", async () => {
    const client = new GrizzClient({ url: "http://127.0.0.1:1", token: async () => tokenOf("user") })
    await expect(client.call("GET /conversations")).rejects.toMatchObject({ name: "GrizzError", code: "network" })
    const signal = AbortSignal.abort(new Error("enough"))
    await expect(scripted.client().call("GET /conversations", { signal })).rejects.toThrow("enough")
  })
})
