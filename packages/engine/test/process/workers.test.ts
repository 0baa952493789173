import { randomUUID } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"
import { afterEach, beforeAll, afterAll, describe, expect, test } from "vitest"
import type { OfflineScript } from "../../src/llm/offline-model.ts"
import { Fleet } from "../faults/fleet.ts"
import { missingServer } from "../support/database-kinds.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)

/** From a kill on, until another worker goes on with what the killed one produced. */
const promisedMs = 30_000

describe.skipIf(missing !== null)(`grizz serve --workers${missing ? `: ${missing}` : ""}`, () => {
  let redis: RedisServer
  let nodes: Nodes | null = null
  beforeAll(async () => {
    redis = await RedisServer.start()
  })
  afterAll(() => redis.stop())
  afterEach(async () => {
    await nodes?.close()
    nodes = null
  })

  async function open(script: OfflineScript, env: Record<string, string> = {}, workers = 2): Promise<Node> {
    nodes = await Nodes.create(script)
    return nodes.start({ REDIS_URL: redis.url, ...env }, workers)
  }

  /** Process ids of the workers that have ever listened, by their numbers. */
  function workersOf({ process }: Node): Map<number, number> {
    const listening = process.output.split("\n").filter((line) => line.includes("Server listening"))
    return new Map(listening.map((line) => JSON.parse(line)).map(({ worker, pid }) => [worker, pid]))
  }

  const answered: OfflineScript = function* () {
    yield { text: "it is " }
    yield { text: "so" }
  }

  test("sockets are spread over the workers evenly, and see the same", async () => {
    const node = await open(answered)
    expect([...workersOf(node).keys()].toSorted((a, b) => a - b)).toEqual([1, 2])
    const user = nodes!.user(node)
    const conversationId = await user.today()
    const wires = []
    for (let index = 0; index < 10; index++) wires.push(await user.connect(conversationId))
    const id = randomUUID()
    wires[0]!.say(id, "Is it?")
    const ends = await Promise.all(wires.map((wire) => wire.next("reply.ended")))
    expect(ends[0]!.message.content).toBe("it is so")
    for (const end of ends) expect(end.message).toEqual(ends[0]!.message)
    for (const path of ["/health", "/ready"]) {
      const answers = Array.from({ length: 4 }, () => fetch(node.url + path, { headers: { connection: "close" } }))
      for (const { status } of await Promise.all(answers)) expect(status).toBe(200)
    }
    process.kill(workersOf(node).get(1)!, "SIGKILL")
    const cut = new Set<number>()
    for (const [index, wire] of wires.entries()) void wire.closed.then(() => cut.add(index))
    await node.process.until(/"worker":3,.*Server listening/)
    expect(cut.size).toBe(5)
    for (const wire of wires) wire.socket.terminate()
  })

  test("a worker that is killed in mid-reply costs no reply, and another one takes its place", async () => {
    const fleet = new Fleet(20261129)
    const node = await open(fleet.book.script)
    fleet.nodes = nodes
    for (let index = 0; index < 8; index++) await fleet.join(node)
    await fleet.until("all are connected", () => fleet.isConnected)
    for (const member of fleet.members) fleet.say(member)
    const isReading = () => fleet.members.filter(({ devices }) => (devices[0]!.view.running?.text ?? "") !== "").length
    await fleet.until("some are read to", () => isReading() > 3)
    process.kill(workersOf(node).get(2)!, "SIGKILL")
    const onTime = fleet.goesOn(promisedMs)
    expect((await fetch(`${node.url}/ready`)).status).toBe(200)
    await node.process.until(/"worker":2,.*"signal":"SIGKILL","restart_ms":100,"msg":"a worker has ended/)
    await node.process.until(/"worker":3,.*Server listening/)
    await Promise.all([onTime, fleet.settle(node, 2 * promisedMs)])
    const { replies } = await fleet.expectWhole()
    expect(replies.some(({ attempt }) => attempt === 2)).toBe(true)
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => "completed"))
    fleet.leave()
  }, 120_000)

  test("a worker that ends again and again is restarted ever more slowly", async () => {
    const node = await open(answered)
    for (let next = 3; next < 6; next++) {
      process.kill(workersOf(node).get(next === 3 ? 2 : next - 1)!, "SIGKILL")
      await node.process.until(new RegExp(`"worker":${next},.*Server listening`))
    }
    const delays = [...node.process.output.matchAll(/"restart_ms":(\d+)/g)].map(([, ms]) => Number(ms))
    expect(delays).toEqual([100, 200, 400])
  })

  /** Says its first words at once, and the last when it is told; or never, when it is asked for a story. */
  function patient() {
    const released = Promise.withResolvers<void>()
    const asked = new Map<string, number>()
    const script: OfflineScript = async function* ({ messages, signal }) {
      const question = messages.at(-1)!.content
      asked.set(question, (asked.get(question) ?? 0) + 1)
      yield { text: "half" }
      const hasGone = new Promise((resolve) => signal.addEventListener("abort", resolve))
      if (question === "endless" && asked.get(question) === 1) await hasGone
      await Promise.race([released.promise, hasGone])
      yield { text: " and whole" }
    }
    return { script, asked, release: () => released.resolve() }
  }

  /** A user of its own who is being read to. */
  async function listen(node: Node, question: string) {
    const user = nodes!.user(node)
    const conversationId = await user.today()
    const wire = await user.connect(conversationId)
    wire.say(randomUUID(), question)
    await wire.next("reply.delta")
    return { user, conversationId, wire }
  }

  test("SIGTERM lets replies finish or hands them over, on every worker, and exits with 0", async () => {
    const { script, release, asked } = patient()
    const node = await open(script, { DRAIN_TIMEOUT_MS: "2500" })
    const finishing = [await listen(node, "short"), await listen(node, "short")]
    const endless = await listen(node, "endless")
    node.process.kill("SIGTERM")
    await node.process.until(/shutting down.*\n(?:.*\n)*.*shutting down.*\n(?:.*\n)*.*shutting down/)
    release()
    for (const { wire } of finishing) {
      expect((await wire.next("reply.ended")).message.content).toBe("half and whole")
    }
    expect(await node.process.exited).toEqual({ code: 0, signal: null })
    for (const { wire } of [...finishing, endless]) expect((await wire.closed).code).toBe(1012)
    for (const pid of workersOf(node).values()) expect(existsSync(`/proc/${pid}`)).toBe(false)
    const next = await nodes!.start({ REDIS_URL: redis.url }, 2)
    const user = nodes!.user(next, endless.user.id)
    const path = `/conversations/${endless.conversationId}/messages`
    const texts = async () => {
      const { body } = await user.request<{ data: { content: string }[] }>("GET", path)
      return body.data.map(({ content }) => content)
    }
    await expect.poll(texts, { timeout: promisedMs }).toEqual(["endless", "half and whole"])
    expect(asked.get("endless")).toBe(2)
  }, 60_000)

  test("Ctrl-C, which reaches every process, and under npm twice, is one signal; a later one ends all at once", async () => {
    const { script, release } = patient()
    const node = await open(script)
    const { wire } = await listen(node, "short")
    node.process.killGroup("SIGINT")
    node.process.killGroup("SIGINT")
    await node.process.until(/shutting down/)
    release()
    expect((await wire.next("reply.ended")).message.content).toBe("half and whole")
    expect(await node.process.exited).toEqual({ code: 0, signal: null })

    const other = await nodes!.start({ REDIS_URL: redis.url }, 2)
    await listen(other, "endless")
    const repeated = setInterval(() => other.process.killGroup("SIGINT"), 600)
    expect((await other.process.exited).code).toBe(1)
    clearInterval(repeated)
    for (const pid of workersOf(other).values()) await isGone(pid)
  }, 60_000)

  /** Resolves when there is no such process. */
  async function isGone(pid: number): Promise<void> {
    const isRunning = () =>
      existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
    while (isRunning()) await delay(50)
  }

  test("workers whose primary is killed finish what they have begun, and leave", async () => {
    const { script, release } = patient()
    const node = await open(script)
    const talks = [await listen(node, "short"), await listen(node, "short")]
    node.process.kill("SIGKILL")
    await node.process.until(/the primary is gone/)
    release()
    for (const { wire } of talks) {
      expect((await wire.next("reply.ended")).message.content).toBe("half and whole")
      expect((await wire.closed).code).toBe(1012)
    }
    for (const pid of workersOf(node).values()) await isGone(pid)
  }, 60_000)

  test("SIGTERM for one worker replaces it", async () => {
    const node = await open(answered)
    process.kill(workersOf(node).get(1)!, "SIGTERM")
    await node.process.until(/"worker":1,.*"code":0,"signal":null/)
    await node.process.until(/"worker":3,.*Server listening/)
  })

  test("workers have the options for Node.js that the program names", async () => {
    const node = await open(answered)
    for (const pid of workersOf(node).values()) {
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")).toContain("--max-semi-space-size=16")
    }
  })
})
