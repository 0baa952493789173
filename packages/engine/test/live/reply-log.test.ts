import * as fc from "fast-check"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { openReplyLog } from "../../src/live/open-reply-log.ts"
import type { LogEntry, ReplyLog, ReplyWriter } from "../../src/live-ports.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { beginning, Device, expectedEvents } from "./device.ts"
import { Ledger } from "./ledger.ts"

interface OpenLog {
  log: ReplyLog & { readonly size: number }
  close(): void
}

const needsNothing = { start: async (): Promise<RedisServer | null> => null }
const kinds = [
  {
    name: "in memory",
    isMissing: false,
    server: needsNothing,
    open: (): Promise<OpenLog> => openReplyLog({ redisUrl: null, onChange: () => {} }),
  },
  {
    name: "on Redis",
    isMissing: findRedisServer() === null,
    server: RedisServer,
    open: (server: RedisServer | null): Promise<OpenLog> => openReplyLog({ redisUrl: server!.url, onChange: () => {} }),
  },
]

for (const { name, isMissing, server, open } of kinds) {
  describe.skipIf(isMissing)(`a conversation's live part, ${name}${isMissing ? ": no redis-server found" : ""}`, () => {
    let running: RedisServer | null
    let opened: OpenLog
    let log: OpenLog["log"]
    beforeAll(async () => {
      running = await server.start()
    })
    beforeEach(async () => {
      opened = await open(running)
      log = opened.log
    })
    afterEach(() => opened.close())
    afterAll(() => running?.stop())

    test("a reader that resumes in mid-word gets the rest once, then the end", () => {
      const ledger = new Ledger()
      const first = new Device()
      const following = log.follow(ledger.conversationId, first, ledger.read)
      following.begin(beginning, [], 0)
      log.announce(ledger.message(0), "r1", true)
      const writer = log.start(ledger.reply(1))
      writer.append("Hel")
      following.stop()
      writer.append("lo ")
      const second = new Device()
      log.follow(ledger.conversationId, second, ledger.read).begin(first.cursor, [], 0)
      writer.append("bear")
      writer.end(ledger.endOf(ledger.reply(1), writer.text))
      expect(first.texts.get("r1")).toBe("Hel")
      expect(second.texts.get("r1")).toBe("lo bear")
      expect(second.events).toEqual(["ended r1"])
    })

    test("what happens while a reader still reads the database is kept for it", () => {
      const ledger = new Ledger()
      const reader = new Device()
      const following = log.follow(ledger.conversationId, reader, ledger.read)
      log.announce(ledger.message(0), "r1", true)
      const writer = log.start(ledger.reply(1))
      writer.append("all of it")
      writer.end(ledger.endOf(ledger.reply(1), writer.text))
      // The database was read before the message came.
      following.begin(beginning, [], 0)
      expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
      expect(reader.texts.get("r1")).toBe("all of it")
    })

    test("what the stored part covers is not said again", () => {
      const ledger = new Ledger()
      const reader = new Device()
      const following = log.follow(ledger.conversationId, reader, ledger.read)
      log.announce(ledger.message(0), "r1", true)
      const writer = log.start(ledger.reply(1))
      writer.append("once")
      writer.end(ledger.endOf(ledger.reply(1), writer.text))
      const stored: LogEntry[] = [
        { kind: "message", message: ledger.message(0), replyId: "r1" },
        { kind: "end", reply: ledger.reply(1), end: ledger.endOf(ledger.reply(1), "once") },
      ]
      following.begin(beginning, stored, 0)
      expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
      expect(reader.texts.get("r1")).toBe("once")
    })

    test("a new attempt drops the text so far, and the late writer of the old one is not heard", () => {
      const ledger = new Ledger()
      const reader = new Device()
      log.follow(ledger.conversationId, reader, ledger.read).begin(beginning, [], 0)
      log.announce(ledger.message(0), "r1", true)
      const late = log.start(ledger.reply(1, 1))
      late.append("first try")
      const writer = log.start(ledger.reply(1, 2))
      writer.append("second")
      late.append(" goes on")
      writer.end(ledger.endOf(ledger.reply(1, 2), writer.text))
      expect(reader.texts.get("r1")).toBe("second")
      expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
    })

    test("a reader that does not drain is ended when too much waits for it", () => {
      const ledger = new Ledger()
      const slow = new Device()
      slow.room = 2
      log.follow(ledger.conversationId, slow, ledger.read).begin(beginning, [], 0)
      log.announce(ledger.message(0), "r1", true)
      const writer = log.start(ledger.reply(1))
      for (let piece = 0; piece < 16; piece++) writer.append("x".repeat(64 * 1024))
      expect(slow.closed).toBeNull()
      writer.append("x")
      expect(slow.closed).toBe("too_slow")
    })

    test("messages count like text for a reader that does not drain, and what it has drained does not", () => {
      const ledger = new Ledger()
      const slow = new Device()
      slow.room = 1
      const following = log.follow(ledger.conversationId, slow, ledger.read)
      following.begin(beginning, [], 0)
      const writer = begin(log, ledger, 0)
      const say = (place: number) =>
        log.announce({ ...ledger.message(2 * place + 2), content: "x".repeat(100_000) }, `r${2 * place + 3}`, false)
      for (let place = 0; place < 10; place++) say(place)
      expect(slow.closed).toBeNull()
      slow.room = 7
      following.resume()
      for (let place = 10; place < 14; place++) say(place)
      expect(slow.closed).toBeNull()
      for (let place = 14; place < 20; place++) say(place)
      expect(slow.closed).toBe("too_slow")
      writer.abandon()
    })

    test("nothing is held once replies have ended and readers have gone", () => {
      const ledger = new Ledger()
      const following = log.follow(ledger.conversationId, new Device(), ledger.read)
      following.begin(beginning, [], 0)
      log.announce(ledger.message(0), "r1", true)
      const writer = log.start(ledger.reply(1))
      following.stop()
      expect(log.size).toBe(1)
      writer.end(ledger.endOf(ledger.reply(1), ""))
      expect(log.size).toBe(0)
    })

    test("however readers come, go and fill up, each folds every reply to its text, once", () => {
      const room = fc.integer({ min: 1, max: 4 })
      const step = fc.oneof(
        { weight: 6, arbitrary: fc.record({ do: fc.constant("append" as const), text: fc.string({ minLength: 1 }) }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("reconnect" as const), reader: fc.nat(2), room }) },
        {
          weight: 3,
          arbitrary: fc.record({
            do: fc.constant("fill" as const),
            reader: fc.nat(2),
            room,
          }),
        },
        { weight: 3, arbitrary: fc.record({ do: fc.constant("drain" as const), reader: fc.nat(2) }) },
      )
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
          const ledger = new Ledger()
          const readers = [0, 1, 2].map(() => new Device())
          const connect = (index: number, room: number) => {
            const reader = readers[index]!
            reader.stop()
            reader.room = room
            reader.following = log.follow(ledger.conversationId, reader, ledger.read)
            reader.following.begin(reader.cursor, [...ledger.entries], 0)
          }
          for (const index of readers.keys()) connect(index, 4)
          let position = 0
          let writer = begin(log, ledger, position)
          const finish = () => {
            writer.end(ledger.end(writer.text))
          }
          for (const action of steps) {
            if (action.do === "append") writer.append(action.text)
            if (action.do === "turn") {
              finish()
              position += 2
              writer = begin(log, ledger, position)
            }
            if (action.do === "reconnect") connect(action.reader, action.room)
            if (action.do === "fill") readers[action.reader]!.room = action.room
            if (action.do === "drain") {
              readers[action.reader]!.room = Number.POSITIVE_INFINITY
              readers[action.reader]!.following?.resume()
            }
          }
          finish()
          for (const reader of readers) {
            reader.room = Number.POSITIVE_INFINITY
            reader.following?.resume()
            expect(reader.events).toEqual(expectedEvents(ledger.entries))
            for (const entry of ledger.entries) {
              if (entry.kind === "reply") expect(reader.texts.get(entry.reply.id) ?? "").toBe(entry.text)
            }
            expect(reader.violations).toEqual([])
            reader.stop()
          }
          expect(log.size).toBe(0)
        }),
        { numRuns: 500 },
      )
    })
  })
}

function begin(log: ReplyLog, ledger: Ledger, position: number): ReplyWriter {
  log.announce(ledger.say(position), `r${position + 1}`, true)
  return log.start(ledger.start(position + 1))
}
