import { setTimeout as delay } from "node:timers/promises"
import * as fc from "fast-check"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { streamKey } from "../../src/live/redis-script.ts"
import type { ReplyWriter } from "../../src/ports.ts"
import { openRedisNode, type RedisNode } from "../support/redis-nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { Device, expectedEvents, isSameOrder } from "./device.ts"
import { Ledger } from "./ledger.ts"

const isMissing = findRedisServer() === null

describe.skipIf(isMissing)(`Redis: ${isMissing ? "no redis-server found" : "live replies of two nodes"}`, () => {
  let server: RedisServer
  let nodes: [RedisNode, RedisNode]
  let ledger: Ledger
  /** On the node that writes, and on the other one. */
  let near: Device
  let far: Device

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    nodes = [await openRedisNode(server.url), await openRedisNode(server.url)]
    ledger = new Ledger()
    near = new Device()
    far = new Device()
    await near.connect(nodes[0].log, ledger)
    await far.connect(nodes[1].log, ledger)
  })
  afterEach(async () => {
    near.stop()
    far.stop()
    const sizes = nodes.map(({ log }) => log.size)
    await Promise.all(nodes.map(({ log }) => log.close()))
    expect(sizes).toEqual([0, 0])
  })

  function begin(node: RedisNode, position = 0): ReplyWriter {
    node.log.announce(ledger.say(position), `r${position + 1}`)
    return node.log.start(ledger.start(position + 1))
  }
  const finish = (writer: ReplyWriter) => writer.end(ledger.end(writer.text))
  function expectWhole(...devices: Device[]) {
    for (const device of devices) {
      expect(device.violations).toEqual([])
      const expected = expectedEvents(ledger.entries)
      if (!isSameOrder(device.events, expected)) expect(device.events).toEqual(expected)
    }
  }

  test("a reader elsewhere gets everything, and the database is not asked", async () => {
    const writer = begin(nodes[0])
    writer.append("Hello ")
    await far.reads("r1", "Hello ")
    writer.append("bear")
    expect(near.texts.get("r1")).toBe("Hello bear")
    finish(writer)
    expect(near.events).toContain("ended r1")
    await far.hears("ended r1")
    expectWhole(near, far)
    expect(ledger.reads).toBe(0)
  })

  test("a node without any state joins in mid-word, and goes on from a reader's cursor", async () => {
    const writer = begin(nodes[0])
    writer.append("Hel")
    await far.reads("r1", "Hel")
    far.stop()
    writer.append("lo, ")
    // Told by the stream alone: nothing is saved yet.
    const other = new Device()
    await other.connect(nodes[1].log, ledger)
    await other.reads("r1", "Hello, ")
    await far.connect(nodes[1].log, ledger)
    writer.append("bear")
    finish(writer)
    await Promise.all([far.hears("ended r1"), other.hears("ended r1")])
    expectWhole(near, far, other)
    other.stop()
  })

  test("text is told in few pieces, and the stream expires", async () => {
    const writer = begin(nodes[0])
    const before = await server.calls("xadd")
    for (let piece = 0; piece < 200; piece++) {
      writer.append("word ")
      await delay(1)
    }
    finish(writer)
    await far.hears("ended r1")
    expectWhole(far)
    expect((await server.calls("xadd")) - before).toBeLessThan(40)
    const ttl = await server.admin.pttl(streamKey(ledger.conversationId))
    expect(ttl).toBeGreaterThan(60_000)
    expect(ttl).toBeLessThanOrEqual(300_000)
  })

  test("another node takes the reply over, and its late owner is heard by nobody", async () => {
    const late = begin(nodes[0])
    late.append("first try")
    await far.reads("r1", "first try")
    ledger.save("first")
    const writer = nodes[1].log.start(ledger.start(1, 2))
    writer.append("first")
    await near.reads("r1", "first")
    late.append(" goes on and on")
    writer.append(" second")
    finish(writer)
    late.append("!")
    late.abandon()
    await near.hears("ended r1")
    expectWhole(near, far)
    const third = new Device()
    await third.connect(nodes[0].log, ledger)
    expect(third.texts.get("r1")).toBe("first second")
    third.stop()
  })

  test("a message that comes before the one it follows waits for it", async () => {
    ledger.say(0)
    const second = ledger.say(2)
    // The first one is not announced: its node died after the commit.
    nodes[0].log.announce(second, "r3")
    await Promise.all([near.hears("said m2"), far.hears("said m2")])
    expect(near.events).toEqual(["said m0", "said m2"])
    expect(far.events).toEqual(["said m0", "said m2"])
  })

  test("a reply that begins before the end of the last one was heard waits for that end", async () => {
    const first = begin(nodes[0])
    first.append("one")
    await far.reads("r1", "one")
    ledger.end("one, and more")
    const second = begin(nodes[1], 2)
    second.append("two")
    expect(far.events).not.toContain("started r3")
    await Promise.all([far.hears("started r3"), near.hears("started r3")])
    finish(second)
    first.abandon()
    await Promise.all([far.hears("ended r3"), near.hears("ended r3")])
    for (const device of [near, far]) {
      expect(device.violations).toEqual([])
      expect(device.events.indexOf("ended r1")).toBeLessThan(device.events.indexOf("started r3"))
    }
  })

  test("deleting a conversation closes its readers everywhere, and leaves no text behind", async () => {
    const writer = begin(nodes[0])
    writer.append("private")
    await far.reads("r1", "private")
    ledger.isDeleted = true
    nodes[1].log.drop(ledger.conversationId)
    expect(far.closed).toBe("deleted")
    await near.until(() => near.closed === "deleted")
    writer.append(" too")
    writer.abandon()
    const kept = await server.admin.xrange(streamKey(ledger.conversationId), "-", "+")
    expect(JSON.stringify(kept)).not.toContain("private")
  })

  describe("when Redis fails", () => {
    const faults = {
      "is killed": { begin: () => server.kill(), end: () => server.restart() },
      "is frozen": { begin: async () => server.freeze(), end: async () => server.thaw() },
    }
    test.each(Object.entries(faults))(
      "%s: all is told, from the database elsewhere, and then as before",
      async (_, fault) => {
        const writer = begin(nodes[0])
        writer.append("before, ")
        await far.reads("r1", "before, ")
        await fault.begin()
        await Promise.all(nodes.map((node) => node.isNow("down")))
        writer.append("meanwhile, ")
        expect(near.texts.get("r1")).toBe("before, meanwhile, ")
        ledger.save(writer.text)
        await far.reads("r1", "before, meanwhile, ")
        const joining = performance.now()
        const other = new Device()
        await other.connect(nodes[1].log, ledger)
        expect(performance.now() - joining).toBeLessThan(300)
        expect(other.texts.get("r1")).toBe("before, meanwhile, ")
        finish(writer)
        expect(near.events).toContain("ended r1")
        await far.hears("ended r1")
        // Nothing runs now, and a message is heard all the same.
        const next = begin(nodes[1], 2)
        await near.hears("said m2")
        await fault.end()
        await Promise.all(nodes.map((node) => node.isNow("up")))
        next.append("after")
        await near.reads("r3", "after")
        const reads = ledger.reads
        finish(next)
        await near.hears("ended r3")
        expect(ledger.reads - reads).toBeLessThanOrEqual(1)
        expectWhole(near, far, other)
        expect(nodes.map(({ changes }) => changes)).toEqual([
          ["up", "down", "up"],
          ["up", "down", "up"],
        ])
        other.stop()
      },
    )

    test("is flushed: those who read and those who come lose nothing", async () => {
      const writer = begin(nodes[0])
      writer.append("before, ")
      await far.reads("r1", "before, ")
      await server.flush()
      writer.append("after")
      await far.reads("r1", "before, after")
      far.stop()
      const other = new Device()
      await other.connect(nodes[1].log, ledger)
      await other.reads("r1", "before, after")
      await far.connect(nodes[1].log, ledger)
      finish(writer)
      await Promise.all([far.hears("ended r1"), other.hears("ended r1")])
      expectWhole(near, far, other)
      expect(ledger.reads).toBe(0)
      other.stop()
    })

    test("is full: the text comes from the database, and the end at once", async () => {
      const writer = begin(nodes[0])
      writer.append("before, ")
      await far.reads("r1", "before, ")
      await server.fill(true)
      writer.append("meanwhile, ")
      ledger.save(writer.text)
      await far.reads("r1", "before, meanwhile, ")
      finish(writer)
      await far.hears("ended r1")
      await server.fill(false)
      const next = begin(nodes[0], 2)
      next.append("after")
      await far.reads("r3", "after")
      finish(next)
      await far.hears("ended r3")
      expectWhole(near, far)
      expect(nodes.map(({ changes }) => changes)).toEqual([["up"], ["up"]])
    })

    test("is cut off from the writer alone: the silence is noticed, and the database asked", async () => {
      const writer = begin(nodes[0])
      writer.append("before, ")
      await far.reads("r1", "before, ")
      await nodes[0].log.close()
      writer.append("meanwhile")
      ledger.save(writer.text)
      await far.reads("r1", "before, meanwhile")
      finish(writer)
      await far.hears("ended r1")
      expectWhole(near, far)
    })

    test("was never there: a node starts, and serves its own readers", async () => {
      await server.kill()
      const alone = await openRedisNode(server.url)
      await expect(alone.log.ping()).rejects.toThrow(/ECONNREFUSED/)
      expect(alone.changes).toEqual(["down"])
      const device = new Device()
      await device.connect(alone.log, ledger)
      const writer = begin(alone)
      writer.append("here")
      finish(writer)
      expectWhole(device)
      device.stop()
      expect(alone.log.size).toBe(0)
      await server.restart()
      await alone.isNow("up")
      await alone.log.ping()
      await alone.log.close()
    })
  })

  test.each([
    { what: "while Redis answers", faults: 0, numRuns: 60 },
    { what: "while it cuts connections", faults: 1, numRuns: 15 },
  ])(
    "however replies and readers move between nodes, each hears everything once, $what",
    async ({ faults, numRuns }) => {
      const reader = fc.nat(3)
      const node = fc.nat(1)
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ do: fc.constant("append" as const), text: fc.string({ minLength: 1 }) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant("turn" as const), node }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant("queue" as const), node }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant("takeOver" as const), isSaved: fc.boolean() }) },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("reconnect" as const), reader, node }) },
        {
          weight: 2,
          arbitrary: fc.record({ do: fc.constant("fill" as const), reader, room: fc.integer({ min: 1, max: 4 }) }),
        },
        { weight: 2, arbitrary: fc.record({ do: fc.constant("drain" as const), reader }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant("flush" as const) }) },
        { weight: faults, arbitrary: fc.record({ do: fc.constant("cut" as const) }) },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40 }) }) },
      )
      near.stop()
      far.stop()
      const property = fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 50 }), async (steps) => {
        ledger = new Ledger()
        const devices = [0, 1, 0, 1].map((node) => ({ device: new Device(), node }))
        const connect = ({ device, node }: { device: Device; node: number }) => device.connect(nodes[node]!.log, ledger)
        await Promise.all(devices.map(connect))
        let owner = 0
        let position = 0
        let queued = 0
        let writer = begin(nodes[0])
        const late: ReplyWriter[] = []
        for (const action of steps) {
          if (action.do === "append") writer.append(action.text)
          if (action.do === "wait") await delay(action.ms)
          if (action.do === "flush") await server.flush()
          if (action.do === "cut") await server.cutConnections()
          if (action.do === "fill") devices[action.reader]!.device.room = action.room
          if (action.do === "drain") {
            devices[action.reader]!.device.room = Number.POSITIVE_INFINITY
            devices[action.reader]!.device.following?.resume()
          }
          if (action.do === "turn") {
            finish(writer)
            position += 2
            owner = queued > 0 ? owner : action.node
            if (queued === 0) writer = begin(nodes[owner]!, position)
            else writer = nodes[owner]!.log.start(ledger.start(position + 1))
            queued = Math.max(0, queued - 1)
          }
          if (action.do === "queue") {
            queued += 1
            const asked = position + 2 * queued
            nodes[action.node]!.log.announce(ledger.say(asked), `r${asked + 1}`)
          }
          if (action.do === "takeOver") {
            late.push(writer)
            if (action.isSaved) ledger.save(writer.text)
            owner = 1 - owner
            const saved = ledger.running!
            writer = nodes[owner]!.log.start(ledger.start(position + 1, saved.reply.attempt + 1))
            if (saved.text !== "") writer.append(saved.text)
          }
          if (action.do === "reconnect") {
            const moved = devices[action.reader]!
            moved.node = action.node
            await connect(moved)
          }
          for (const other of late) other.append("late")
        }
        finish(writer)
        for (const other of late) other.abandon()
        for (const { device } of devices) {
          device.room = Number.POSITIVE_INFINITY
          device.following?.resume()
          await device.until(() => device.events.length >= expectedEvents(ledger.entries).length)
          expectWhole(device)
          device.stop()
        }
        expect(nodes.map(({ log }) => log.size)).toEqual([0, 0])
      })
      await fc.assert(property, { numRuns, endOnFailure: true })
      expect(nodes.some(({ changes }) => changes.includes("down"))).toBe(faults > 0)
    },
  )
})
