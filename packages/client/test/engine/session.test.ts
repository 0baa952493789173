import { describe, expect, test } from "vitest"
import { isOpen, isQuietWith, RealEngine } from "./real-engine.ts"

const real = new RealEngine()
const minuteMs = 60_000

describe.each(["websocket", "sse"] as const)("a session over %s", (via) => {
  const options = via === "sse" ? { webSocket: null } : {}

  test("is renewed before its token expires, under a running reply, which nobody notices", async () => {
    const asked: (string | undefined)[] = []
    const tokens = [await real.token(real.userId, 600), await real.token(real.userId, 7200)]
    const token = async (refused?: string) => {
      asked.push(refused)
      return tokens[asked.some((one) => one === tokens[0]) ? 1 : 0] ?? ""
    }
    const conversation = real.today({ ...options, token })
    conversation.send("A long one")
    real.model.say("It begins ")
    await conversation.until((state) => state.reply?.text === "It begins ")
    real.aheadMs = 9 * minuteMs + 1000
    await expect.poll(() => asked, { timeout: 10_000 }).toContain(tokens[0])
    if (via === "sse") await conversation.until(isOpen)
    else expect(conversation.state.connection.status).toBe("open")
    real.aheadMs = 20 * minuteMs
    conversation.send("And I may still speak")
    await conversation.until((state) => state.pending.length === 0)
    real.model.say("and ends.")
    real.model.finish()
    real.model.finish()
    const state = await conversation.until(isQuietWith(4))
    expect(state.messages).toEqual(await real.history(conversation.id))
    expect(state.messages[1]?.content).toBe("It begins and ends.")
  })

  test("that expired while nobody looked comes back with a new token", async () => {
    let current = await real.token(real.userId, 600)
    const conversation = real.today({
      ...options,
      token: async (refused) => (refused === undefined ? current : (current = await real.token(real.userId, 3600))),
    })
    await conversation.until(isOpen)
    real.line.cut()
    real.aheadMs = 30 * minuteMs
    conversation.send("I am back")
    real.line.mend()
    real.model.finish()
    const state = await conversation.until(isQuietWith(2))
    expect(state.connection).toMatchObject({ status: "open", error: null })
  })

  test("ends with the engine's word when no token is good any more", async () => {
    const worn = await real.token(real.userId, 600)
    const conversation = real.today({ ...options, token: async () => worn })
    await conversation.until(isOpen)
    real.aheadMs = 11 * minuteMs
    const state = await conversation.until(({ connection }) => connection.status === "closed")
    expect(state.connection.error?.code).toBe("unauthenticated")
    await expect(conversation.until(isOpen)).rejects.toMatchObject({ code: "unauthenticated" })
  })
})
