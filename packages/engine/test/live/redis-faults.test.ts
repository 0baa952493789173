import { expect, test } from "vitest"
import { openRedisNode } from "../support/redis-nodes.ts"
import type { RedisServer } from "../support/redis-server.ts"
import { streamKey } from "../../src/live/redis-script.ts"
import { Device } from "./device.ts"
import { describeTwoNodes } from "./two-nodes.ts"

describeTwoNodes("two nodes when Redis", (world) => {
  const faults = {
    "is killed": { begin: (server: RedisServer) => server.kill(), end: (server: RedisServer) => server.restart() },
    "is frozen": {
      begin: async (server: RedisServer) => server.freeze(),
      end: async (server: RedisServer) => server.thaw(),
    },
  }
  test.each(Object.entries(faults))(
    "%s: all is told, from the database elsewhere, and then as before",
    async (_, fault) => {
      const { server, nodes, ledger, near, far } = world()
      const writer = world().begin(nodes[0])
      writer.append("before, ")
      await far.reads("r1", "before, ")
      await fault.begin(server)
      await Promise.all(nodes.map((node) => node.isNow("down")))
      writer.append("meanwhile, ")
      expect(near.texts.get("r1")).toBe("before, meanwhile, ")
      ledger.save(writer.text)
      await far.reads("r1", "before, meanwhile, ")
      const other = new Device()
      await other.connect(nodes[1].log, ledger)
      expect(other.texts.get("r1")).toBe("before, meanwhile, ")
      world().finish(writer)
      expect(near.events).toContain("ended r1")
      await far.hears("ended r1")
      // Nothing runs now, and a message is heard all the same.
      const next = world().begin(nodes[1], 2)
      await near.hears("said m2")
      await fault.end(server)
      await Promise.all(nodes.map((node) => node.isNow("up")))
      next.append("after")
      await near.reads("r3", "after")
      const reads = ledger.reads
      world().finish(next)
      await near.hears("ended r3")
      expect(ledger.reads - reads).toBeLessThanOrEqual(1)
      world().expectWhole(near, far, other)
      expect(nodes.map(({ changes }) => changes)).toEqual([
        ["up", "down", "up"],
        ["up", "down", "up"],
      ])
      other.stop()
    },
    90_000,
  )

  test("cuts connections: what was said meanwhile is read from the database", async () => {
    const { server, nodes, ledger, near, far } = world()
    await server.cutConnections()
    // Committed and published by a third node, and heard by nobody.
    ledger.say(0)
    await Promise.all([near.hears("said m0"), far.hears("said m0")])
    expect(ledger.reads).toBeLessThanOrEqual(2)
    await Promise.all(nodes.map((node) => node.isNow("up")))
  })

  test("is flushed: those who read and those who come lose nothing", async () => {
    const { server, nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
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
    world().finish(writer)
    await Promise.all([far.hears("ended r1"), other.hears("ended r1")])
    world().expectWhole(near, far, other)
    expect(ledger.reads).toBe(0)
    other.stop()
  })

  test("is full: the text comes from the database, and the next reply as before", async () => {
    const { server, nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("before, ")
    await far.reads("r1", "before, ")
    await server.fill(true)
    writer.append("meanwhile, ")
    ledger.save(writer.text)
    await far.reads("r1", "before, meanwhile, ")
    world().finish(writer)
    await far.hears("ended r1")
    await server.fill(false)
    const next = world().begin(nodes[0], 2)
    next.append("after")
    await far.reads("r3", "after")
    world().finish(next)
    await far.hears("ended r3")
    world().expectWhole(near, far)
    expect(nodes.map(({ changes }) => changes)).toEqual([["up"], ["up"]])
    expect(nodes.map(({ refusals }) => refusals)).toEqual([["refuses", "stores"], []])
  })

  test("is full when a reply ends: readers elsewhere are told to look, and need not notice the silence", async () => {
    const { server, nodes, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("all of it")
    await far.reads("r1", "all of it")
    await server.fill(true)
    const endedAtMs = performance.now()
    world().finish(writer)
    await far.hears("ended r1")
    expect(performance.now() - endedAtMs).toBeLessThan(2500)
    await server.fill(false)
    world().expectWhole(far)
  })

  test("is cut off from the writer alone: the silence is noticed, and the database asked", async () => {
    const { nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("before, ")
    await far.reads("r1", "before, ")
    nodes[0].close()
    writer.append("meanwhile")
    ledger.save(writer.text)
    await far.reads("r1", "before, meanwhile")
    world().finish(writer)
    await far.hears("ended r1")
    world().expectWhole(near, far)
  })

  test("was never there: a node starts, and serves its own readers", async () => {
    const { server, ledger } = world()
    await server.kill()
    const alone = await openRedisNode(server.url)
    expect(String(alone.log.trouble)).toMatch(/ECONNREFUSED/)
    expect(alone.changes).toEqual(["down"])
    const device = new Device()
    await device.connect(alone.log, ledger)
    const writer = world().begin(alone)
    writer.append("here")
    world().finish(writer)
    world().expectWhole(device)
    device.stop()
    expect(alone.log.size).toBe(0)
    await server.restart()
    await alone.isNow("up")
    expect(alone.log.trouble).toBeNull()
    alone.close()
  })

  test("is away while a message is erased: readers elsewhere begin anew, and its text goes when it is back", async () => {
    const { server, nodes, ledger, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("private")
    world().finish(writer)
    await far.hears("ended r1")
    server.freeze()
    await Promise.all(nodes.map((node) => node.isNow("down")))
    ledger.erase("r1")
    nodes[0].log.remove(ledger.conversationId, "r1", ledger.erased)
    await far.until(() => far.closed === "behind")
    server.thaw()
    await Promise.all(nodes.map((node) => node.isNow("up")))
    const kept = async () => JSON.stringify(await server.admin.xrange(streamKey(ledger.conversationId), "-", "+"))
    await expect.poll(kept).not.toContain("private")
  })
})
