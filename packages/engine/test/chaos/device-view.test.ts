import type { ServerFrame } from "@grizz/protocol"
import { describe, expect, test } from "vitest"
import { DeviceView } from "./device-view.ts"

const replyId = "00000000-0000-7000-8000-000000000001"
const created_at = "2026-01-01T00:00:00.000Z"

function message(position: number, role: "user" | "assistant", content: string) {
  const status = role === "user" ? ("sent" as const) : ("completed" as const)
  const id = role === "user" ? `m${position}` : replyId
  return { id, conversation_id: "c", position, role, content, metadata: null, status, created_at }
}

const added: ServerFrame = { type: "message.added", message: message(0, "user", "hi"), reply_id: replyId, cursor: "1" }
const started: ServerFrame = { type: "reply.started", reply_id: replyId, message_id: "m0", attempt: 1, cursor: "2" }
const delta: ServerFrame = { type: "reply.delta", reply_id: replyId, text: "yes", cursor: "3" }
const restarted: ServerFrame = { type: "reply.restarted", reply_id: replyId, attempt: 2, cursor: "4" }
const ended: ServerFrame = {
  type: "reply.ended",
  reply_id: replyId,
  status: "completed",
  message: message(1, "assistant", "yes"),
  error: null,
  usage: null,
  cursor: "5",
}
const ready = (messages: ReturnType<typeof message>[]): ServerFrame => ({
  type: "ready",
  conversation: {
    id: "c",
    user_id: "u",
    title: null,
    conv_day: null,
    timezone: null,
    created_at,
    updated_at: created_at,
  },
  cursor: "6",
  messages,
  reply: null,
  queued: [],
})

function read(...frames: ServerFrame[]): { kinds: string[]; view: DeviceView } {
  const kinds: string[] = []
  const view = new DeviceView("d", {
    violate: (kind) => kinds.push(kind),
    acknowledged: () => undefined,
    ended: () => undefined,
    count: () => undefined,
  })
  for (const frame of frames) view.read(frame)
  return { kinds, view }
}

describe("a device's view", () => {
  test("folds a turn, with a new attempt in it, and keeps the newest cursor", () => {
    const { kinds, view } = read(added, started, delta, restarted, delta, ended)
    expect(kinds).toEqual([])
    expect(view.cursor).toBe("5")
    expect([...view.entries.values()].map(({ content }) => content)).toEqual(["hi", "yes"])
  })

  test("notices a text that does not add up", () => {
    expect(read(added, started, delta, delta, ended).kinds).toEqual(["text"])
  })

  test("notices an end that is told twice", () => {
    expect(read(added, started, delta, ended, ended).kinds).toContain("ends")
  })

  test("notices a message that comes again, and a delta of nothing", () => {
    expect(read(added, added, delta).kinds).toEqual(["order", "order"])
  })

  test("notices a restart that is no later attempt", () => {
    expect(read(added, started, restarted, restarted).kinds).toEqual(["order"])
  })

  test("notices a snapshot without a message that was told before", () => {
    expect(read(added, ready([message(0, "user", "hi")])).kinds).toEqual([])
    expect(read(added, ready([])).kinds).toEqual(["lost"])
  })
})
