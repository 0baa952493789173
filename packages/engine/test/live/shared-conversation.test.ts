import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { encodeEntry } from "../../src/live/live-entry.ts"
import { RedisLink } from "../../src/live/redis-link.ts"
import { streamKey } from "../../src/live/redis-script.ts"
import { SharedConversation } from "../../src/live/shared-conversation.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { beginning, Device } from "./device.ts"
import { Ledger } from "./ledger.ts"

const isMissing = findRedisServer() === null
describe.skipIf(isMissing)(`the database is asked${isMissing ? ": no redis-server found" : ""}`, () => {
  let server: RedisServer
  let link: RedisLink
  let ledger: Ledger
  let conversation: SharedConversation
  let device: Device

  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    const { promise: isUp, resolve } = Promise.withResolvers<void>()
    link = new RedisLink({ url: server.url, onMessage: () => {}, onChange: () => resolve() })
    await isUp
    ledger = new Ledger()
    device = new Device()
    conversation = new SharedConversation({
      id: ledger.conversationId,
      origin: "here",
      link,
      now: () => performance.now(),
      onAwake: () => {},
      onReadersGone: () => {},
    })
  })
  afterEach(() => link.close())

  async function join(cursor = beginning) {
    const following = conversation.follow(device, ledger.read)
    await following.ready
    following.begin(cursor, [], 0)
    return following
  }
  const isDueAfter = (ms: number) => conversation.isLookDue(performance.now() + ms)
  const announce = (position: number) =>
    conversation.announce({ kind: "message", message: ledger.say(position), replyId: `r${position + 1}` })

  test("not while nothing happens, nor after a turn here or elsewhere", async () => {
    await join()
    expect(isDueAfter(60_000)).toBe(false)
    announce(0)
    const entry = { kind: "reply" as const, reply: ledger.start(1), text: "" }
    conversation.start(entry)
    expect(isDueAfter(60_000)).toBe(false)
    conversation.end(entry, ledger.end(""))
    expect(isDueAfter(60_000)).toBe(false)
    announce(2)
    const reply = ledger.start(3)
    conversation.receive({ type: "whole", reply, text: "", end: null })
    conversation.receive({ type: "whole", reply, text: "", end: ledger.end("text") })
    expect(isDueAfter(60_000)).toBe(false)
    expect(device.events).toContain("ended r3")
  })

  test("when a reply elsewhere was silent for longer than a few beats", async () => {
    await join()
    announce(0)
    conversation.receive({ type: "whole", reply: ledger.start(1), text: "", end: null })
    expect(isDueAfter(2500)).toBe(false)
    expect(isDueAfter(3500)).toBe(true)
  })

  test("when a message was announced, and its reply does not begin", async () => {
    await join()
    announce(0)
    expect(isDueAfter(2500)).toBe(false)
    expect(isDueAfter(3500)).toBe(true)
  })

  test("when a reply that was taken over is silent, though its late owner here goes on", async () => {
    await join()
    announce(0)
    const late = { kind: "reply" as const, reply: ledger.reply(1), text: "" }
    conversation.start(late)
    conversation.receive({ type: "whole", reply: ledger.reply(1, 2), text: "", end: null })
    conversation.append(late, "late")
    expect(isDueAfter(3500)).toBe(true)
    expect(device.texts.get("r1")).toBe("")
  })

  test("for a reader that joins in mid-reply, and hears nothing of it", async () => {
    await join({ message: 0, reply: 1, attempt: 1, offset: 3, ended: false })
    expect(isDueAfter(2500)).toBe(false)
    expect(isDueAfter(3500)).toBe(true)
  })

  test("for a reader that could not wait for Redis, once more than for the others", async () => {
    const following = conversation.follow(device, ledger.read)
    following.begin(beginning, [], 0)
    await following.ready
    expect(isDueAfter(0)).toBe(true)
    ledger.say(0)
    await conversation.look()
    expect(device.events).toEqual(["said m0"])
    expect(isDueAfter(60_000)).toBe(false)
  })

  test("after a moment, by a reader that comes when Redis has just frozen", async () => {
    server.freeze()
    const following = await join()
    server.thaw()
    following.stop()
  })

  test("once a second at most, and again for what a full reader could not take", async () => {
    const following = await join()
    device.room = 1
    conversation.needLook()
    ledger.say(0)
    ledger.say(2)
    await conversation.look()
    conversation.needLook()
    expect(isDueAfter(900)).toBe(false)
    expect(isDueAfter(1100)).toBe(true)
    device.room = Number.POSITIVE_INFINITY
    following.resume()
    expect(device.events).toEqual(["said m0", "said m2"])
  })

  test("again, when it was asked while one reader was full", async () => {
    await join()
    const slow = new Device()
    slow.room = 1
    const following = conversation.follow(slow, ledger.read)
    following.begin(beginning, [], 0)
    announce(0)
    // The other reader is given what was stored, and this one is full.
    ledger.say(2)
    conversation.needLook()
    await conversation.look()
    expect(device.events).toEqual(["said m0", "said m2"])
    expect(isDueAfter(1100)).toBe(false)
    slow.room = Number.POSITIVE_INFINITY
    following.resume()
    expect(isDueAfter(1100)).toBe(true)
    await conversation.look()
    expect(slow.events).toEqual(["said m0", "said m2"])
  })

  test("again, for a reader that came while it answered and is further back", async () => {
    const { promise: isAsked, resolve: answer } = Promise.withResolvers<void>()
    for (const position of [0, 2, 4]) ledger.say(position)
    const following = conversation.follow(device, async (after) => {
      const stored = await ledger.read(after)
      await isAsked
      return stored
    })
    await following.ready
    following.begin({ ...beginning, message: 2 }, [], 0)
    const looked = conversation.look()
    const later = new Device()
    conversation.follow(later, ledger.read).begin(beginning, [], 0)
    answer()
    await looked
    expect(device.events).toEqual(["said m4"])
    expect(later.events).toEqual([])
    await conversation.look()
    expect(later.events).toEqual(["said m0", "said m2", "said m4"])
    expect(device.events).toEqual(["said m4"])
  })

  test("and where it has no such conversation any more, or cannot prove an answer, the reader is closed", async () => {
    await join()
    ledger.isDeleted = true
    await conversation.look()
    expect(device.closed).toBe("deleted")
    const behind = new Device()
    const following = conversation.follow(behind, async () => null)
    await following.ready
    following.begin(beginning, [], 0)
    await conversation.look()
    expect(behind.closed).toBe("behind")
  })

  test("not for a piece that comes while the stream is read: it waits for what is before it", async () => {
    await join({ message: 0, reply: -1, attempt: 0, offset: 0, ended: true })
    const whole = encodeEntry("there", { type: "whole", reply: ledger.reply(1), text: "ab", end: null })
    await server.admin.xadd(streamKey(ledger.conversationId), "65537-1", "e", whole)
    const isRead = conversation.rejoin()
    conversation.receive({ type: "text", position: 1, attempt: 1, offset: 2, text: "c" })
    expect(device.texts.size).toBe(0)
    await isRead
    expect(device.texts.get("r1")).toBe("abc")
  })
})
