import type { ServerFrame } from "@grizz/protocol"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type ConversationState, initialState, type PendingMessage } from "../src/conversation-state.ts"
import { reduce } from "../src/reduce.ts"
import { timeline } from "../src/timeline.ts"
import { conversation, ModelEngine, replyIdOf } from "./model-engine.ts"

/** A client's state machine on a lossy line to the model engine. */
class Reader {
  state: ConversationState = initialState
  readonly #engine: ModelEngine
  /** Each send is answered by a call of its own, beside the events and perhaps before them. */
  readonly #isHttp: boolean
  /** What the socket still carries; null while there is no socket. */
  #line: ServerFrame[] | null = null
  #readTo = "0"
  /** Heard on this line since its `ready`. */
  #heard: ServerFrame[] = []
  #sends = 0

  constructor(engine: ModelEngine, isHttp = false) {
    this.#engine = engine
    this.#isHttp = isHttp
  }

  /** What the server wrote since, goes on the line. */
  pull(merged: boolean): void {
    if (this.#line === null) return
    this.#line.push(...this.#engine.events(this.#readTo, merged))
    this.#readTo = this.#engine.cursor()
  }

  deliver(count: number): void {
    for (const frame of this.#line?.splice(0, count) ?? []) this.#hear(frame)
  }

  /** Any event of this line comes again, and those after it in their order. */
  repeat(back: number, count: number): void {
    const from = Math.max(0, this.#heard.length - back)
    for (const frame of this.#heard.slice(from, from + count)) this.state = reduce(this.state, frame)
  }

  retry(): void {
    const replyId = this.state.messages.findLast(({ role }) => role === "assistant")?.id
    if (replyId === undefined) return
    this.state = reduce(this.state, { type: "retry.requested", replyId })
    if (this.#line !== null) this.#engine.retry(replyId)
  }

  connect(resume: boolean, pageSize: number): void {
    const after = this.state.cursor
    if (after !== null && resume) {
      this.#line = [this.#engine.resumed(after)]
      this.#readTo = after
    } else {
      this.#line = [this.#engine.snapshot(pageSize)]
      this.#readTo = this.#engine.cursor()
    }
    this.deliver(1)
    this.resend(true)
  }

  drop(): void {
    this.#line = null
    this.#heard = []
  }

  /** Asks the reply that is shown to stop; whether it does is the engine's part. */
  ask(): void {
    const replyId = this.state.reply?.id
    if (replyId !== undefined) this.state = reduce(this.state, { type: "stop.requested", replyId })
  }

  send(arrives: boolean): void {
    const id = `00000000-0000-4000-8000-${String(++this.#sends).padStart(12, "0")}`
    const message = pendingOf(id, `message ${this.#sends}`, this.#sends)
    this.state = reduce(this.state, { type: "send.requested", message })
    this.resend(arrives)
  }

  resend(arrives: boolean): void {
    if (this.#line === null || !arrives) return
    for (const { id, content, status } of this.state.pending) {
      const answer = status === "sending" ? this.#engine.send(id, content) : null
      const message = this.#isHttp ? this.#engine.history().find((one) => one.id === id) : undefined
      if (message !== undefined) {
        this.state = reduce(this.state, { type: "send.stored", message, replyId: replyIdOf(id) })
      } else if (answer !== null) this.#line.push(answer)
    }
  }

  loadEarlier(count: number): void {
    if (!this.state.hasEarlier) return
    const first = this.state.messages[0]?.position ?? Number.POSITIVE_INFINITY
    // As the first page that is asked for, it ends in what is held.
    const known = this.#engine.history().filter((message) => message.position <= first)
    const hasEarlier = known.length > count + 1
    this.state = reduce(this.state, { type: "earlier.loaded", messages: known.slice(-count - 1), hasEarlier })
  }

  /** Whatever happens, nothing is shown twice, and everything in its order. */
  check(): void {
    const { messages, pending, queued, reply } = this.state
    const replies = [...queued.map(({ reply_id }) => reply_id), reply?.id]
    expect(replies).toEqual([...new Set(replies)])
    const shown = [...messages, ...pending].map(({ id }) => id)
    expect(shown).toEqual([...new Set(shown)])
    const positions = messages.map(({ position }) => position)
    expect(positions).toEqual(positions.toSorted((one, other) => one - other))
  }

  #hear(frame: ServerFrame): void {
    if (frame.type === "ready") this.#heard = []
    else this.#heard.push(frame)
    this.state = reduce(this.state, frame)
  }
}

function pendingOf(id: string, content: string, sentAt = 1): PendingMessage {
  return { id, content, metadata: null, sentAt, status: "sending", error: null }
}

const small = fc.integer({ min: 1, max: 4 })
/** Weighted so that most runs get into the middle of a reply, and repeat frames there. */
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      text: fc.string({ minLength: 1, maxLength: 3, unit: "grapheme" }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("pull" as const), merged: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("deliver" as const), count: small }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("repeat" as const), back: fc.integer({ min: 1, max: 30 }), count: small }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("send" as const), arrives: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("connect" as const), resume: fc.boolean(), pageSize: small }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom("end" as const, "stop" as const, "fail" as const, "restart" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("earlier" as const), count: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("drop" as const, "ask" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("retry" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("erase" as const), at: fc.nat({ max: 5 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

function take(one: Step, engine: ModelEngine, reader: Reader): void {
  act(one, engine, reader)
  reader.check()
}

function act(one: Step, engine: ModelEngine, reader: Reader): void {
  switch (one.do) {
    case "write":
      return engine.write(one.text)
    case "restart":
      return engine.restart()
    case "end":
      return engine.end()
    case "stop":
      return engine.end("stopped")
    case "fail":
      return engine.end("failed")
    case "send":
      return reader.send(one.arrives)
    case "pull":
      return reader.pull(one.merged)
    case "deliver":
      return reader.deliver(one.count)
    case "connect":
      return reader.connect(one.resume, one.pageSize)
    case "earlier":
      return reader.loadEarlier(one.count)
    case "drop":
      return reader.drop()
    case "ask":
      return reader.ask()
    case "repeat":
      return reader.repeat(one.back, one.count)
    case "retry":
      return reader.retry()
    case "erase":
      return engine.erase(engine.history()[one.at]?.id ?? "")
  }
}

describe("the state of a conversation", () => {
  test("is what history gives, after any interleaving of drops, repeats, resumes and snapshots", () => {
    const steps = fc.array(step, { maxLength: 60, size: "max" })
    const property = fc.property(steps, fc.boolean(), fc.boolean(), (steps, resume, isHttp) => {
      const engine = new ModelEngine()
      const reader = new Reader(engine, isHttp)
      for (const one of steps) take(one, engine, reader)
      reader.connect(resume, 2)
      while (!engine.idle) engine.end()
      reader.pull(false)
      reader.deliver(1000)
      while (reader.state.hasEarlier) reader.loadEarlier(2)
      expect(reader.state.messages).toEqual(engine.history())
      expect(reader.state).toMatchObject({ reply: null, queued: [], pending: [], stopping: [] })
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  test("shows mid-reply exactly the text that the engine has written", () => {
    const property = fc.property(fc.array(step, { maxLength: 40, size: "max" }), fc.boolean(), (steps, isHttp) => {
      const engine = new ModelEngine()
      const reader = new Reader(engine, isHttp)
      reader.connect(false, 50)
      reader.send(true)
      for (const one of steps) take(one, engine, reader)
      reader.connect(true, 50)
      reader.pull(true)
      reader.deliver(1000)
      const now = engine.snapshot(50)
      const running = now.type === "ready" ? now.reply : null
      expect(reader.state.reply?.text).toBe(running?.text)
      expect(reader.state.reply?.attempt).toBe(running?.attempt)
      expect(reader.state.queued).toEqual(now.type === "ready" ? now.queued : [])
    })
    fc.assert(property, { numRuns: 1_000 })
  })

  test("begins no ended reply anew when its events are heard a second time", () => {
    const engine = new ModelEngine()
    engine.send("00000000-0000-4000-8000-000000000001", "hello")
    engine.write("Hel")
    engine.restart()
    for (const piece of "Hello, how are you?") engine.write(piece)
    const middle = engine.events("0", false).reduce(reduce, initialState)
    expect(engine.events("0", false).reduce(reduce, middle)).toBe(middle)
    engine.end()
    const once = engine.events("0", false).reduce(reduce, initialState)
    const again = engine.events("0", false).slice(0, -1).reduce(reduce, once)
    expect(once.messages).toEqual(engine.history())
    expect(again).toBe(once)
  })

  test("leaves out, at once, the reply that another one takes the place of", () => {
    const engine = new ModelEngine()
    const reader = new Reader(engine)
    reader.connect(false, 50)
    reader.send(true)
    engine.write("badly")
    engine.end()
    reader.pull(false)
    reader.deliver(10)
    expect(reader.state.messages).toHaveLength(2)
    reader.retry()
    reader.pull(false)
    reader.deliver(10)
    expect(reader.state.messages).toHaveLength(1)
    expect(reader.state.reply?.text).toBe("")
    expect(reader.state.retry).toBeNull()
  })

  test("keeps an older reply when one that was erased is asked for again", () => {
    const engine = new ModelEngine()
    const asked = [1, 2].map((number) => `00000000-0000-4000-8000-00000000000${number}`)
    for (const id of asked) {
      engine.send(id, "hello")
      engine.end()
    }
    engine.erase(replyIdOf(asked[1] ?? ""))
    const before = engine.events("0", false).reduce(reduce, initialState)
    const started = {
      type: "reply.started",
      reply_id: "again",
      message_id: asked[1] ?? "",
      attempt: 1,
      cursor: "n",
    } as const
    expect(reduce(before, started).messages).toBe(before.messages)
  })

  test("keeps the messages' identity while a reply streams, so that nothing else renders", () => {
    const engine = new ModelEngine()
    const reader = new Reader(engine)
    reader.connect(false, 50)
    reader.send(true)
    reader.pull(false)
    reader.deliver(10)
    const before = reader.state
    engine.write("more")
    reader.pull(false)
    reader.deliver(10)
    expect(reader.state.reply?.text).toBe("more")
    expect(reader.state.messages).toBe(before.messages)
    expect(reader.state.pending).toBe(before.pending)
  })

  test("marks a refused message as failed, and one refused for now as still sending", () => {
    const sent = reduce(initialState, { type: "send.requested", message: pendingOf("a", "hello") })
    const busy = reduce(sent, { type: "error", code: "unavailable", message: "Later.", ref: "a" })
    expect(busy.pending[0]?.status).toBe("sending")
    const refused = reduce(busy, { type: "error", code: "conflict", message: "Taken.", ref: "a" })
    expect(refused.pending[0]).toMatchObject({ status: "failed", error: { code: "conflict" } })
    expect(reduce(refused, { type: "send.retried", id: "a" }).pending[0]).toMatchObject({
      status: "sending",
      error: null,
    })
    expect(reduce(refused, { type: "send.discarded", id: "a" }).pending).toEqual([])
  })

  test("remembers why a reply failed, and forgets that it was to be stopped", () => {
    const engine = new ModelEngine()
    engine.send("00000000-0000-4000-8000-000000000001", "hello")
    const replyId = replyIdOf("00000000-0000-4000-8000-000000000001")
    let state = reduce(initialState, engine.snapshot(50))
    state = reduce(state, { type: "stop.requested", replyId })
    expect(state.stopping).toEqual([replyId])
    const from = engine.cursor()
    engine.end("failed")
    for (const frame of engine.events(from, false)) state = reduce(state, frame)
    expect(state.stopping).toEqual([])
    expect(state.replyErrors[replyId]?.code).toBe("model_timeout")
  })

  test("drops a message that was erased, and keeps the cursor of that", () => {
    const engine = new ModelEngine()
    const state = reduce(initialState, engine.snapshot(50))
    const message = {
      id: "0197a3c2-9a00-7000-8000-000000000001",
      conversation_id: conversation.id,
      position: 0,
      role: "user",
      content: "my secret",
      metadata: null,
      status: "sent",
      created_at: "2026-11-23T06:34:50.000000Z",
    } as const
    const heard = reduce(state, { type: "message.added", message, reply_id: replyIdOf(message.id), cursor: "a" })
    expect(heard.messages.map(({ id }) => id)).toContain(message.id)
    const erased = reduce(heard, { type: "message.removed", message_id: message.id, cursor: "b" })
    expect(erased.messages.map(({ id }) => id)).not.toContain(message.id)
    expect(erased.cursor).toBe("b")
  })

  test("does not bring back a message of its own that was erased before its acknowledgement came", () => {
    const engine = new ModelEngine()
    const message = pendingOf("00000000-0000-4000-8000-000000000001", "my secret")
    let state = reduce(reduce(initialState, engine.snapshot(50)), { type: "send.requested", message })
    engine.send(message.id, message.content)
    engine.end()
    const stored = engine.history()[0]
    engine.erase(message.id)
    for (const frame of engine.events("0", false)) state = reduce(state, frame)
    expect(state.messages.map(({ role }) => role)).toEqual(["assistant"])
    if (stored === undefined) throw new Error("nothing was stored")
    expect(reduce(state, { type: "send.stored", message: stored, replyId: replyIdOf(message.id) })).toBe(state)
  })

  test("moves on over an event of a newer engine, and is not changed by what is no event", () => {
    const state = reduce(initialState, {
      type: "ready",
      conversation,
      cursor: "0",
      messages: [],
      reply: null,
      queued: [],
    })
    const moved = reduce(state, JSON.parse('{"type":"memory.recalled","cursor":"9"}'))
    expect(moved).toEqual({ ...state, cursor: "9", heard: ["0", "9"] })
    expect(reduce(state, JSON.parse('{"type":"memory.ready"}'))).toBe(state)
  })
})

describe("the timeline", () => {
  test("puts each reply below the message it answers, and what is not acknowledged last", () => {
    const engine = new ModelEngine()
    const ids = [1, 2].map((number) => `00000000-0000-4000-8000-00000000000${number}`)
    for (const id of ids) engine.send(id, "hello")
    engine.write("I")
    let state = reduce(initialState, engine.snapshot(50))
    state = reduce(state, { type: "send.requested", message: pendingOf("new", "and?") })
    expect(timeline(state).map((item) => [item.kind, item.key])).toEqual([
      ["message", ids[0]],
      ["writing", replyIdOf(ids[0] ?? "")],
      ["message", ids[1]],
      ["waiting", replyIdOf(ids[1] ?? "")],
      ["pending", "new"],
    ])
  })
})
