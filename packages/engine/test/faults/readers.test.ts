import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { get, type IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { MessagePage } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { missingServer, oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { startTestEngine, type TestEngine, type TestUser } from "../support/engine.ts"
import { ModelByQuestion } from "../support/model-by-question.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { foldText, type Wire } from "../support/wire.ts"

const pausedSockets = 20
/** As long as a reply may be, less one piece. */
const replyLength = 1_000_000
const piece = "0123456789abcde\n".repeat(1000)

/** From so many bytes in its buffer on, a socket and an event stream are full. */
const fullSocketBytes = 64 * 1024
const fullStreamBytes = 16 * 1024

/** Each reply different, in pieces. */
function* longAnswer(question: string, length: number) {
  yield { text: `${question}: ` }
  for (let given = 0; given < length; given += piece.length) yield { text: piece }
}

async function say(wire: Wire, question: string): Promise<void> {
  wire.say(randomUUID(), question)
  await wire.next("reply.ended")
}

/** All that a device is told, which comes back with its last cursor, until it has heard so many ends. */
async function resumed(user: TestUser, conversationId: string, before: Wire["frames"], ends: number) {
  const last = before.findLast((frame) => "cursor" in frame)!
  const again = await user.connect(conversationId, "cursor" in last ? last.cursor : undefined)
  const told = () => [...before, ...again.frames]
  while (told().filter(({ type }) => type === "reply.ended").length < ends) await again.next("reply.ended")
  again.socket.terminate()
  return told()
}

describe.skipIf(missingServer !== null)(
  `20 sockets that stop reading${missingServer ? `: ${missingServer}` : ""}`,
  () => {
    /** Many times what they may hold up. */
    const replies = 20
    let nodes: Nodes
    let node: Node

    beforeEach(async () => {
      const model = new ModelByQuestion(({ question }) => longAnswer(question, replyLength))
      nodes = await Nodes.create(model.script)
      const probe = new URL("../chaos/memory-probe.ts", import.meta.url).href
      node = await nodes.start({ NODE_OPTIONS: `--import=${probe}` })
    })
    afterEach(() => nodes.close())

    /** Bytes that the engine holds after a garbage collection. */
    async function heldBytes(): Promise<number> {
      const before = node.process.output.length
      node.process.kill("SIGUSR2")
      const [, held] = await node.process.until(new RegExp(`^[^]{${before},}?"probe":{[^}]*"heap":(\\d+)`))
      return Number(held)
    }

    test("cost little, are closed with 4408, and come back to the exact texts; the others do not notice", async () => {
      const user = nodes.user(node)
      const conversationId = await user.today()
      const stranger = nodes.user(node)
      const elsewhere = await stranger.connect(await stranger.today())
      const reader = await user.connect(conversationId)
      await say(reader, "the first")
      const paused = await Promise.all(Array.from({ length: pausedSockets }, () => user.connect(conversationId)))
      const baseline = await heldBytes()
      for (const { socket } of paused) socket.pause()
      for (let reply = 0; reply < replies; reply++) {
        await say(reader, `reply ${reply}`)
        if (reply === replies / 2) await say(elsewhere, "meanwhile")
      }
      // Together they were sent 400 MB. What is held is the kernel's, not the engine's.
      expect((await heldBytes()) - baseline).toBeLessThan(30e6)
      for (const { socket } of paused) socket.resume()
      for (const { closed } of paused) expect((await closed).code).toBe(4408)
      expect((await heldBytes()) - baseline).toBeLessThan(20e6)
      const history = (await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages?limit=200`))
        .body
      const stored = new Map(history.data.map(({ id, content }) => [id, content]))
      for (const wire of [reader, ...paused.slice(0, 5)]) {
        const frames = wire === reader ? wire.frames : await resumed(user, conversationId, wire.frames, replies)
        const ended = frames.filter((frame) => frame.type === "reply.ended")
        for (const { reply_id } of ended) expect(foldText(frames, reply_id) === stored.get(reply_id)).toBe(true)
        expect(ended).toHaveLength(replies + (wire === reader ? 1 : 0))
      }
      expect(elsewhere.frames.filter(({ type }) => type === "reply.ended")).toHaveLength(1)
    }, 120_000)
  },
)

describe(`a reader that stops reading on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  let user: TestUser
  let conversationId: string
  let speaker: Wire
  /** The engine's end of the connection that was opened last. */
  let accepted: Socket
  const onAccept = (message: unknown) => {
    accepted = (message as { socket: Socket }).socket
  }

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    // Within what an answer may bring as fast as it comes: what brakes a flood would wait by the test's clock.
    const model = new ModelByQuestion(({ question }) => longAnswer(question, replyLength / 8))
    engine = await startTestEngine({ database: opened.database, script: model.script })
    user = await engine.user()
    conversationId = await user.today()
    speaker = await user.connect(conversationId)
    subscribe("net.server.socket", onAccept)
    // What begins from here on waits by the test's clock, above all the patience with a reader that is full.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] })
  })
  afterEach(async () => {
    vi.useRealTimers()
    unsubscribe("net.server.socket", onAccept)
    await engine.close()
    await opened.close()
  })

  /** A socket, and an event stream over plain HTTP that nobody reads; each with the engine's end of it. */
  async function pausedSocket(): Promise<{ wire: Wire; server: Socket }> {
    const wire = await user.connect(conversationId)
    wire.socket.pause()
    return { wire, server: accepted }
  }
  async function pausedEventStream(): Promise<{ response: IncomingMessage; server: Socket }> {
    const headers = { authorization: `Bearer ${user.token}` }
    const request = get(`${engine.url}/conversations/${conversationId}/events`, { headers, agent: false })
    const [response] = (await once(request, "response")) as [IncomingMessage]
    // It is cut off in the end.
    response.on("error", () => undefined)
    return { response, server: accepted }
  }

  /** Says one thing after another, an eighth of what a reader may be behind, until the engine's end takes no more. */
  async function fill(server: Socket, fullBytes: number): Promise<void> {
    const isStuck = async () => {
      const { bytesWritten } = server
      await user.request("GET", "/health")
      return server.writableLength >= fullBytes && server.bytesWritten === bytesWritten
    }
    for (let reply = 0; !(await isStuck()); reply++) await say(speaker, `reply ${reply}`)
  }

  async function expectResumed(before: Wire["frames"]): Promise<void> {
    vi.useRealTimers()
    const history = (await user.request<MessagePage>("GET", `/conversations/${conversationId}/messages?limit=200`)).body
    const replies = history.data.filter(({ role }) => role === "assistant")
    const told = await resumed(user, conversationId, before, replies.length)
    for (const { id, content } of replies) expect(foldText(told, id) === content).toBe(true)
  }

  test("a socket that does not drain for 30 s is closed with 4408, and comes back to the exact texts", async () => {
    const { wire, server } = await pausedSocket()
    await fill(server, fullSocketBytes)
    await vi.advanceTimersByTimeAsync(29_000)
    expect(server.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(1500)
    wire.socket.resume()
    expect((await wire.closed).code).toBe(4408)
    await expectResumed(wire.frames)
  })

  test("a socket that does not even read that it is closed is cut 30 s later", async () => {
    const { wire, server } = await pausedSocket()
    await fill(server, fullSocketBytes)
    await vi.advanceTimersByTimeAsync(59_000)
    expect(server.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(3000)
    expect(server.destroyed).toBe(true)
    wire.socket.resume()
    expect((await wire.closed).code).toBe(1006)
    await expectResumed(wire.frames)
  })

  test("an event stream that does not drain for 30 s is cut", async () => {
    const { server } = await pausedEventStream()
    await fill(server, fullStreamBytes)
    await vi.advanceTimersByTimeAsync(29_000)
    expect(server.destroyed).toBe(false)
    await vi.advanceTimersByTimeAsync(3000)
    expect(server.destroyed).toBe(true)
  })

  test("a socket that drains in time goes on", async () => {
    const { wire, server } = await pausedSocket()
    await fill(server, fullSocketBytes)
    await vi.advanceTimersByTimeAsync(29_000)
    wire.socket.resume()
    await expect.poll(() => server.writableLength).toBe(0)
    await vi.advanceTimersByTimeAsync(60_000)
    await say(speaker, "still there")
    const { message } = speaker.frames.findLast((frame) => frame.type === "reply.ended")!
    while ((await wire.next("reply.ended")).message.id !== message.id) expect(server.destroyed).toBe(false)
    expect(foldText(wire.frames, message.id) === message.content).toBe(true)
  })

  test("a socket that is more than 1 MiB behind is closed with 4408 at once, and an event stream is cut", async () => {
    const { wire, server } = await pausedSocket()
    await fill(server, fullSocketBytes)
    const stream = await pausedEventStream()
    await fill(stream.server, fullStreamBytes)
    for (let reply = 0; reply < 12; reply++) await say(speaker, `more ${reply}`)
    expect(wire.socket.readyState).toBe(wire.socket.OPEN)
    wire.socket.resume()
    expect((await wire.closed).code).toBe(4408)
    await vi.advanceTimersByTimeAsync(1000)
    expect(stream.server.destroyed).toBe(true)
    await expectResumed(wire.frames)
  })
})
