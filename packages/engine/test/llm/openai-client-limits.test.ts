import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { setTimeout as wait } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import type { ModelTimeouts } from "../../src/llm/completion-call.ts"
import { clientOf, type ModelClient, runModel } from "../support/model-run.ts"
import { type ModelCall, type ModelServer, startModelServer } from "../support/model-server.ts"
import { chunk, done, finish, role, text } from "../support/model-stream.ts"

const generous: ModelTimeouts = { connectMs: 10_000, firstTokenMs: 10_000, idleMs: 10_000, totalMs: 10_000 }
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function start(respond: (call: ModelCall, index: number) => void | Promise<void>): Promise<ModelServer> {
  const server = await startModelServer(respond)
  closers.push(() => server.close())
  return server
}

function client(baseUrl: string, limits: Partial<ModelTimeouts> = {}): ModelClient {
  const llm = clientOf(baseUrl, { timeouts: { ...generous, ...limits } })
  closers.unshift(() => llm.close())
  return llm
}

/** Writes `piece` every few ms until the client hangs up. */
async function forever(call: ModelCall, piece: string): Promise<void> {
  while (await call.write(piece)) await wait(5)
}

describe("a limit of time", () => {
  test.each<[string, Partial<ModelTimeouts>, (call: ModelCall) => void | Promise<void>, string]>([
    ["first token: no answer at all", { firstTokenMs: 60 }, () => undefined, ""],
    ["first token: only a head", { firstTokenMs: 60 }, (call) => void call.begin(), ""],
    ["first token: only a role", { firstTokenMs: 60 }, (call) => void call.begin().write(role), ""],
    ["first token: comments for ever", { firstTokenMs: 60 }, (call) => forever(call.begin(), ": ping\n\n"), ""],
    ["first token: empty deltas for ever", { firstTokenMs: 60 }, (call) => forever(call.begin(), text("")), ""],
    [
      "first token: other deltas for ever",
      { firstTokenMs: 60 },
      (call) => forever(call.begin(), chunk({ reasoning: "hm" })),
      "",
    ],
    ["idle: silence", { idleMs: 60 }, (call) => void call.begin().write(text("so far")), "so far"],
    ["idle: half a line", { idleMs: 60 }, (call) => void call.begin().write(`${text("so far")}data: {"ch`), "so far"],
    [
      "idle: comments for ever",
      { idleMs: 60 },
      async (call) => {
        await call.begin().write(text("so far"))
        await forever(call, ": ping\n\n")
      },
      "so far",
    ],
    [
      "idle: empty deltas for ever",
      { idleMs: 60 },
      async (call) => {
        await call.begin().write(text("so far"))
        await forever(call, text(""))
      },
      "so far",
    ],
  ])("%s", async (_, limits, respond, expected) => {
    const server = await start(respond)
    const started = performance.now()
    const run = await runModel(client(server.baseUrl, limits))
    expect(run.error).toMatchObject({ code: "model_timeout", transient: false })
    expect(run.text).toBe(expected)
    expect(performance.now() - started).toBeGreaterThanOrEqual(59)
    expect(performance.now() - started).toBeLessThan(20_000)
    await server.calls[0]?.closed
    expect(server.calls[0]?.clientHungUp).toBe(true)
  })

  test("total: text for ever", async () => {
    const server = await start((call) => forever(call.begin(), text("a")))
    const run = await runModel(client(server.baseUrl, { totalMs: 150 }))
    expect(run.error).toMatchObject({ code: "model_timeout", message: "The model's answer took too long" })
    expect(run.text).toMatch(/^a{3,}$/)
    await server.calls[0]?.closed
  })

  test("is not reached by an answer that keeps coming", async () => {
    const server = await start(async (call) => {
      call.begin()
      for (let piece = 0; piece < 12; piece++) {
        await call.write(text("a"))
        await wait(25)
      }
      call.end(finish() + done)
    })
    const run = await runModel(client(server.baseUrl, { idleMs: 200, firstTokenMs: 200 }))
    expect(run.text).toBe("a".repeat(12))
    expect(run.error).toBeNull()
  })

  test("connect: nobody accepts", async () => {
    const baseUrl = await unaccepting()
    const run = await runModel(client(baseUrl, { connectMs: 80 }))
    expect(run.error).toMatchObject({ code: "model_timeout", transient: true })
  })
})

describe("an abort", () => {
  const reason = new Error("stopped by the user")

  test.each<[string, (call: ModelCall) => void]>([
    ["before the head", () => undefined],
    ["before the first text", (call) => void call.begin().write(role)],
  ])("%s reaches the provider", async (_, respond) => {
    const server = await start(respond)
    const abort = new AbortController()
    const running = runModel(client(server.baseUrl), { signal: abort.signal })
    await server.called(1)
    abort.abort(reason)
    const run = await running
    expect(run.error).toBe(reason)
    await server.calls[0]?.closed
    expect(server.calls[0]?.clientHungUp).toBe(true)
  })

  test("in the middle of the text keeps what was given and gives no more", async () => {
    const server = await start((call) => forever(call.begin(), text("a")))
    const abort = new AbortController()
    const run = await runModel(client(server.baseUrl), {
      signal: abort.signal,
      onText: () => abort.abort(reason),
    })
    expect(run.error).toBe(reason)
    await server.calls[0]?.closed
    expect(run.pieces).toHaveLength(1)
  })

  test("with a reason that is no Error rejects with that", async () => {
    const server = await start((call) => void call.begin().write(text("a")))
    const abort = new AbortController()
    const run = await runModel(client(server.baseUrl), { signal: abort.signal, onText: () => abort.abort("enough") })
    expect(run.error).toBe("enough")
  })

  test("before the call sends nothing", async () => {
    const server = await start((call) => call.end())
    const run = await runModel(client(server.baseUrl), { signal: AbortSignal.abort(reason) })
    expect(run.error).toBe(reason)
    expect(server.connections).toBe(0)
  })

  test("while connecting sends nothing when the connection stands", async () => {
    const server = await start((call) => call.begin().end(text("a") + finish() + done))
    const llm = client(server.baseUrl)
    const abort = new AbortController()
    const first = runModel(llm, { signal: abort.signal })
    abort.abort(reason)
    expect((await first).error).toBe(reason)
    expect((await runModel(llm)).text).toBe("a")
    expect(server.calls).toHaveLength(1)
  })

  test("while connecting rejects at once", async () => {
    const baseUrl = await unaccepting()
    const abort = new AbortController()
    const running = runModel(client(baseUrl), { signal: abort.signal })
    setImmediate(() => abort.abort(reason))
    expect((await running).error).toBe(reason)
  })

  test("of one call leaves the others alone", async () => {
    const server = await start(async (call, index) => {
      await call.begin().write(text("a"))
      await server.called(2)
      if (index === 1) await server.calls[0]?.closed
      if (index === 1) call.end(text("b") + finish() + done)
    })
    const llm = client(server.baseUrl)
    const abort = new AbortController()
    const first = runModel(llm, { signal: abort.signal })
    await server.called(1)
    const second = runModel(llm)
    await server.called(2)
    abort.abort(reason)
    expect((await first).error).toBe(reason)
    expect((await second).text).toBe("ab")
  })

  test("after the end changes nothing", async () => {
    const server = await start((call) => call.begin().end(text("a") + finish() + done))
    const abort = new AbortController()
    const run = await runModel(client(server.baseUrl), { signal: abort.signal })
    abort.abort(reason)
    expect(run.result?.finishReason).toBe("stop")
  })
})

/** The base URL of a server that accepts connections and then keeps silent, so that TLS never stands. */
async function unaccepting(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1")
  await once(server, "listening")
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, "close")
  })
  const address = server.address()
  return `https://127.0.0.1:${typeof address === "object" ? address?.port : 0}/v1`
}
