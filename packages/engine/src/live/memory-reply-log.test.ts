import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Message, ReplyEnd, RunningReply } from "../domain.ts"
import type { ConversationEvent, Cursor, EventSink, LogEntry } from "../ports.ts"
import { MemoryReplyLog } from "./memory-reply-log.ts"

const conversationId = "conversation"
const beginning: Cursor = { message: -1, reply: -1, attempt: 0, offset: 0, ended: true }

/** A reader that folds what it is told, as a client does, and can be full. */
class Reader implements EventSink {
  events: string[] = []
  texts = new Map<string, string>()
  cursor: Cursor = beginning
  room = Number.POSITIVE_INFINITY
  closed: string | null = null

  write(event: ConversationEvent, cursor: Cursor): boolean {
    this.cursor = { ...cursor }
    this.room -= 1
    this.#fold(event)
    return this.room > 0
  }

  close(reason: string): void {
    this.closed = reason
  }

  #fold(event: ConversationEvent): void {
    if (event.type === "message.added") this.events.push(`said ${event.message.id}`)
    if (event.type === "reply.started") this.events.push(`started ${event.reply.id}`)
    if (event.type === "reply.restarted") this.texts.set(event.reply.id, "")
    if (event.type === "reply.delta") this.texts.set(event.replyId, (this.texts.get(event.replyId) ?? "") + event.text)
    if (event.type === "reply.ended") this.events.push(`ended ${event.end.replyId}`)
  }
}

const message = (position: number): Message => ({
  id: `m${position}`,
  conversationId,
  position,
  role: "user",
  content: "hello",
  metadata: null,
  status: "sent",
  createdAt: "2026-01-01T00:00:00.000Z",
})
const reply = (position: number, attempt = 1): RunningReply => ({
  id: `r${position}`,
  conversationId,
  messageId: `m${position - 1}`,
  position,
  attempt,
})
const endOf = ({ id, position, attempt }: RunningReply, content: string): ReplyEnd => ({
  replyId: id,
  attempt,
  status: "completed",
  message: { ...message(position), id, role: "assistant", content, status: "completed" },
  errorCode: null,
  usage: null,
})

describe("a conversation's live part", () => {
  test("a reader that resumes in mid-word gets the rest once, then the end", () => {
    const log = new MemoryReplyLog()
    const first = new Reader()
    const following = log.follow(conversationId, first)
    following.begin(beginning, [])
    log.announce(message(0), "r1")
    const writer = log.start(reply(1))
    writer.append("Hel")
    following.stop()
    writer.append("lo ")
    const second = new Reader()
    log.follow(conversationId, second).begin(first.cursor, [])
    writer.append("bear")
    writer.end(endOf(reply(1), writer.text))
    expect(first.texts.get("r1")).toBe("Hel")
    expect(second.texts.get("r1")).toBe("lo bear")
    expect(second.events).toEqual(["ended r1"])
  })

  test("what happens while a reader still reads the database is kept for it", () => {
    const log = new MemoryReplyLog()
    const reader = new Reader()
    const following = log.follow(conversationId, reader)
    log.announce(message(0), "r1")
    const writer = log.start(reply(1))
    writer.append("all of it")
    writer.end(endOf(reply(1), writer.text))
    // The database was read before the message came.
    following.begin(beginning, [])
    expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
    expect(reader.texts.get("r1")).toBe("all of it")
  })

  test("what the stored part covers is not said again", () => {
    const log = new MemoryReplyLog()
    const reader = new Reader()
    const following = log.follow(conversationId, reader)
    log.announce(message(0), "r1")
    const writer = log.start(reply(1))
    writer.append("once")
    writer.end(endOf(reply(1), writer.text))
    const stored: LogEntry[] = [
      { kind: "message", message: message(0), replyId: "r1" },
      { kind: "reply", reply: reply(1), text: "once", end: endOf(reply(1), "once") },
    ]
    following.begin(beginning, stored)
    expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
    expect(reader.texts.get("r1")).toBe("once")
  })

  test("a new attempt drops the text so far, and the late writer of the old one is not heard", () => {
    const log = new MemoryReplyLog()
    const reader = new Reader()
    log.follow(conversationId, reader).begin(beginning, [])
    log.announce(message(0), "r1")
    const late = log.start(reply(1, 1))
    late.append("first try")
    const writer = log.start(reply(1, 2))
    writer.append("second")
    late.append(" goes on")
    writer.end(endOf(reply(1, 2), writer.text))
    expect(reader.texts.get("r1")).toBe("second")
    expect(reader.events).toEqual(["said m0", "started r1", "ended r1"])
  })

  test("a reader that does not drain is ended when too much waits for it", () => {
    const log = new MemoryReplyLog()
    const slow = new Reader()
    slow.room = 2
    log.follow(conversationId, slow).begin(beginning, [])
    log.announce(message(0), "r1")
    const writer = log.start(reply(1))
    for (let piece = 0; piece < 16; piece++) writer.append("x".repeat(64 * 1024))
    expect(slow.closed).toBeNull()
    writer.append("x")
    expect(slow.closed).toBe("too_slow")
  })

  test("nothing is held once replies have ended and readers have gone", () => {
    const log = new MemoryReplyLog()
    const following = log.follow(conversationId, new Reader())
    following.begin(beginning, [])
    log.announce(message(0), "r1")
    const writer = log.start(reply(1))
    following.stop()
    expect(log.size).toBe(1)
    writer.end(endOf(reply(1), ""))
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
        const log = new MemoryReplyLog()
        const stored: LogEntry[] = []
        const readers = [0, 1, 2].map(() => ({
          sink: new Reader(),
          following: null as ReturnType<typeof log.follow> | null,
        }))
        const connect = (index: number, room: number) => {
          const reader = readers[index]!
          reader.following?.stop()
          reader.sink.room = room
          reader.following = log.follow(conversationId, reader.sink)
          reader.following.begin(reader.sink.cursor, [...stored])
        }
        for (const index of readers.keys()) connect(index, 4)
        let position = 0
        let writer = begin(log, stored, position)
        const finish = () => {
          const end = endOf(reply(position + 1), writer.text)
          stored.push({ kind: "reply", reply: reply(position + 1), text: writer.text, end })
          writer.end(end)
        }
        for (const action of steps) {
          if (action.do === "append") writer.append(action.text)
          if (action.do === "turn") {
            finish()
            position += 2
            writer = begin(log, stored, position)
          }
          if (action.do === "reconnect") connect(action.reader, action.room)
          if (action.do === "fill") readers[action.reader]!.sink.room = action.room
          if (action.do === "drain") {
            readers[action.reader]!.sink.room = Number.POSITIVE_INFINITY
            readers[action.reader]!.following?.resume()
          }
        }
        finish()
        for (const { sink, following } of readers) {
          sink.room = Number.POSITIVE_INFINITY
          following?.resume()
          const expected: string[] = []
          for (const entry of stored) {
            if (entry.kind === "message") expected.push(`said ${entry.message.id}`, `started ${entry.replyId}`)
            else {
              expected.push(`ended ${entry.reply.id}`)
              expect(sink.texts.get(entry.reply.id) ?? "").toBe(entry.text)
            }
          }
          expect(sink.events).toEqual(expected)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function begin(log: MemoryReplyLog, stored: LogEntry[], position: number): ReturnType<MemoryReplyLog["start"]> {
  stored.push({ kind: "message", message: message(position), replyId: `r${position + 1}` })
  log.announce(message(position), `r${position + 1}`)
  return log.start(reply(position + 1))
}
