import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import type { OfflineScript, OfflineStep } from "../../src/llm/offline-model.ts"
import type { Device } from "../chaos/device.ts"
import { missingServer } from "../support/database-kinds.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { Wire } from "../support/wire.ts"
import { Fleet, type Member } from "./fleet.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)

const liveStreams = 200
const idleSockets = 60
const graceMs = 8000

describe.skipIf(missing !== null)(`a deploy under load${missing ? `: ${missing}` : ""}`, () => {
  let redis: RedisServer
  let nodes: Nodes
  let fleet: Fleet
  let old: Node
  let next: Node
  /** Resolved when the replies that are to finish within the grace may go on. */
  let released: PromiseWithResolvers<void>
  /** Messages whose first model call goes on for longer than any grace. */
  let endless: Set<string>

  beforeEach(async () => {
    redis = await RedisServer.start()
    released = Promise.withResolvers()
    endless = new Set()
    fleet = new Fleet(20261123)
    nodes = await Nodes.create(script)
    fleet.nodes = nodes
    const env = { REDIS_URL: redis.url, DRAIN_TIMEOUT_MS: String(graceMs) }
    ;[old, next] = await Promise.all([nodes.start(env), nodes.start(env)])
  })
  afterEach(async () => {
    fleet.leave()
    await nodes.close()
    await redis.stop()
  })

  /** Says the first piece, and the others when the test, or the number of the call, allows it. */
  const script: OfflineScript = (request) => held(request.messages.at(-1)!.content, request)

  async function* held(question: string, request: Parameters<OfflineScript>[0]): AsyncGenerator<OfflineStep> {
    const pieces: OfflineStep[] = []
    for await (const step of fleet.book.script(request)!) if (!("delayMs" in step)) pieces.push(step)
    const isFirst = fleet.book.callsOf(question).length === 1
    const hungUp = new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()))
    yield pieces[0]!
    if (isFirst) await Promise.race([hungUp, endless.has(question) ? hungUp : released.promise])
    yield* pieces.slice(1)
  }

  /** 200 streams under way, every third of them longer than the grace, every fourth with another message queued. */
  async function populate(): Promise<{ live: Member[]; idle: Member[] }> {
    const join = (count: number) => Promise.all(Array.from({ length: count }, () => fleet.join(old)))
    const [live, idle] = [await join(liveStreams), await join(idleSockets)]
    await fleet.until("all are connected", () => fleet.isConnected)
    for (const [index, member] of live.entries()) {
      const { content } = fleet.say(member)
      if (index % 3 === 0) endless.add(content)
      if (index % 4 === 0) fleet.say(member)
    }
    await fleet.until("all are read to", () => live.every(({ devices: [device] }) => isReading(device!)))
    await fleet.until("all is acknowledged", () => fleet.isAcknowledged)
    return { live, idle }
  }

  const isReading = ({ view }: Device) => (view.running?.text ?? "") !== ""
  const isOffline = ({ devices }: Member) => devices[0]!.isOffline
  const count = (what: string) => fleet.told.counts.get(what) ?? 0

  /** While a node shuts down it takes nothing, and says so. */
  async function expectRefusing(busy: Member): Promise<void> {
    expect((await fetch(`${old.url}/ready`)).status).toBe(503)
    expect((await fetch(`${old.url}/health`)).status).toBe(200)
    const { user, conversationId } = busy
    expect(await Wire.refusal(user.socketUrl(conversationId), {})).toBe(503)
    expect((await user.request("GET", `/conversations/${conversationId}/events`)).status).toBe(503)
    const body = { id: randomUUID(), content: "not now" }
    expect((await user.request("POST", `/conversations/${conversationId}/messages`, body)).status).toBe(503)
    const refused = fleet.say(busy)
    await fleet.until("the send is refused", () => count("frames refused: unavailable") === 1)
    expect(refused.isAcknowledged).toBe(false)
  }

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s with 200 live streams: none fails, and none is cut before its end or the end of the grace",
    async (signal) => {
      const { live, idle } = await populate()
      const finishing = live.filter(({ sends }) => !endless.has(sends[0]!.content))
      const rest = live.filter(({ sends }) => endless.has(sends[0]!.content))
      const signalledAtMs = performance.now()
      old.process.kill(signal)
      await fleet.until("the idle ones are closed", () => idle.every(isOffline))
      expect(count("closes: 1012")).toBe(idleSockets)
      expect(live.some(isOffline)).toBe(false)
      const busy = finishing[1]!
      await expectRefusing(busy)
      // The retry of what was refused, on the other node.
      fleet.connect(busy, next)
      released.resolve()
      await fleet.until("they finish", () =>
        finishing.every(({ sends, devices }) => devices[0]!.view.hasEnded([...sends[0]!.replyIds][0]!)),
      )
      await fleet.until("those that finished are closed", () => finishing.every(isOffline))
      expect(rest.some(isOffline)).toBe(false)
      expect(await old.process.exited).toEqual({ code: 0, signal: null })
      expect(performance.now() - signalledAtMs).toBeLessThan(graceMs + 10_000)
      await fleet.until("the others are closed", () => rest.every(isOffline))
      expect(count("closes: 1012")).toBe(idleSockets + liveStreams)
      await fleet.settle(next, 30_000)
      expectHandedOver((await fleet.expectWhole()).replies, rest)
    },
    90_000,
  )

  /** Only what did not finish has a second attempt, and no model call counts twice. */
  function expectHandedOver(
    replies: { messageId: string; status: string; attempt: number; calls: number }[],
    rest: Member[],
  ) {
    const handedOver = new Set(rest.map(({ sends }) => sends[0]!.id))
    expect(replies).toHaveLength(liveStreams + liveStreams / 4 + 1)
    for (const { messageId, status, attempt, calls } of replies) {
      expect({ status, calls }).toEqual({ status: "completed", calls: 1 })
      if (handedOver.has(messageId)) expect(attempt).toBe(2)
    }
  }
})
