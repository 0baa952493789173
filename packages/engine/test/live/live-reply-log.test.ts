import { setTimeout as delay } from "node:timers/promises"
import { expect, test } from "vitest"
import { encodeEntry } from "../../src/live/live-entry.ts"
import { channelOf, streamKey } from "../../src/live/redis-script.ts"
import { Device } from "./device.ts"
import { describeTwoNodes } from "./two-nodes.ts"

describeTwoNodes("live replies of two nodes", (world) => {
  test("a reader elsewhere gets everything, and the database is not asked", async () => {
    const { nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("Hello ")
    await far.reads("r1", "Hello ")
    writer.append("bear")
    expect(near.texts.get("r1")).toBe("Hello bear")
    world().finish(writer)
    expect(near.events).toContain("ended r1")
    await far.hears("ended r1")
    world().expectWhole(near, far)
    expect(ledger.reads).toBe(0)
  })

  test("a node without any state joins in mid-word, and goes on from a reader's cursor", async () => {
    const { server, nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("Hel")
    await far.reads("r1", "Hel")
    far.stop()
    writer.append("lo, ")
    const key = streamKey(ledger.conversationId)
    while ((await server.admin.xlen(key)) < 3) await server.admin.ping()
    // Told by the stream alone: nothing is saved, and nothing more is said.
    const other = new Device()
    await other.connect(nodes[1].log, ledger)
    expect(other.texts.get("r1")).toBe("Hello, ")
    await far.connect(nodes[1].log, ledger)
    writer.append("bear")
    world().finish(writer)
    await Promise.all([far.hears("ended r1"), other.hears("ended r1")])
    world().expectWhole(near, far, other)
    other.stop()
  })

  test("a piece whose predecessor was missed waits until the stream was read", async () => {
    const { server, nodes, ledger, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("Hello")
    await far.reads("r1", "Hello")
    const { conversationId } = ledger
    const piece = (offset: number, text: string) =>
      encodeEntry("another node", { type: "text", position: 1, attempt: 1, offset, text })
    // Stored, and its publication lost.
    await server.admin.xadd(streamKey(conversationId), "65537-8", "e", piece(5, " big"))
    await server.admin.xadd(streamKey(conversationId), "65537-9", "e", piece(9, " bear"))
    await server.admin.publish(channelOf(conversationId), piece(9, " bear"))
    await far.reads("r1", "Hello big bear")
    expect(ledger.reads).toBe(0)
    // The stream is not what its writer left: Redis refuses the end, and the database tells it.
    writer.end(ledger.end("Hello big bear"))
    await far.hears("ended r1")
    world().expectWhole(far)
  })

  test("text is told in few pieces, and the stream expires", async () => {
    const { server, nodes, ledger, far } = world()
    const writer = world().begin(nodes[0])
    const before = await server.calls("xadd")
    for (let piece = 0; piece < 200; piece++) {
      writer.append("word ")
      await delay(1)
    }
    world().finish(writer)
    await far.hears("ended r1")
    world().expectWhole(far)
    expect((await server.calls("xadd")) - before).toBeLessThan(40)
    const ttl = await server.admin.pttl(streamKey(ledger.conversationId))
    expect(ttl).toBeGreaterThan(60_000)
    expect(ttl).toBeLessThanOrEqual(300_000)
  })

  test("another node takes the reply over, and its late owner is heard by nobody", async () => {
    const { nodes, ledger, near, far } = world()
    const late = world().begin(nodes[0])
    late.append("first try")
    await far.reads("r1", "first try")
    ledger.save("first")
    const writer = nodes[1].log.start(ledger.start(1, 2))
    writer.append("first")
    await near.reads("r1", "first")
    late.append(" goes on and on")
    writer.append(" second")
    world().finish(writer)
    late.append("!")
    late.abandon()
    await near.hears("ended r1")
    world().expectWhole(near, far)
    const third = new Device()
    await third.connect(nodes[0].log, ledger)
    expect(third.texts.get("r1")).toBe("first second")
    third.stop()
  })

  test("a message that comes before the one it follows waits for it", async () => {
    const { nodes, ledger, near, far } = world()
    ledger.say(0)
    const second = ledger.say(2)
    // The first one is not announced: its node died after the commit.
    nodes[0].log.announce(second, "r3", true)
    await Promise.all([near.hears("said m2"), far.hears("said m2")])
    expect(near.events).toEqual(["said m0", "said m2"])
    expect(far.events).toEqual(["said m0", "said m2"])
  })

  test("a reply that begins before the end of the last one was heard waits for that end", async () => {
    const { nodes, ledger, near, far } = world()
    const first = world().begin(nodes[0])
    first.append("one")
    await far.reads("r1", "one")
    ledger.end("one, and more")
    const second = world().begin(nodes[1], 2)
    second.append("two")
    expect(far.events).not.toContain("started r3")
    await Promise.all([far.hears("started r3"), near.hears("started r3")])
    world().finish(second)
    first.abandon()
    await Promise.all([far.hears("ended r3"), near.hears("ended r3")])
    for (const device of [near, far]) {
      expect(device.violations).toEqual([])
      expect(device.events.indexOf("ended r1")).toBeLessThan(device.events.indexOf("started r3"))
    }
  })

  test("deleting a conversation closes its readers everywhere, and leaves no text behind", async () => {
    const { server, nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
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

  test("an erased reply is removed from every device, and a reader that comes later hears nothing of its text", async () => {
    const { server, nodes, ledger, near, far } = world()
    const writer = world().begin(nodes[0])
    writer.append("private")
    world().finish(writer)
    await far.hears("ended r1")
    expect(JSON.stringify(await server.admin.xrange(streamKey(ledger.conversationId), "-", "+"))).toContain("private")
    ledger.erase("r1")
    nodes[0].log.remove(ledger.conversationId, "r1", ledger.erased)
    await Promise.all([near.hears("removed r1"), far.hears("removed r1")])
    expect(JSON.stringify(await server.admin.xrange(streamKey(ledger.conversationId), "-", "+"))).not.toContain(
      "private",
    )
    far.stop()
    const later = new Device()
    await later.connect(nodes[1].log, ledger)
    expect([...later.texts.values()].join("")).toBe("")
    later.stop()
    // The next reply goes its way.
    await far.connect(nodes[1].log, ledger)
    const next = world().begin(nodes[0], 2)
    next.append("said")
    await far.reads("r3", "said")
    world().finish(next)
    await far.hears("ended r3")
  })
})
