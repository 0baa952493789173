import { createHash, randomUUID } from "node:crypto"
import type { MessagePage, ServerFrame } from "@grizz/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { oneDatabaseKind, type OpenDatabase } from "../support/database-kinds.ts"
import { type Cut, CutLine, cuts } from "../support/cut-line.ts"
import { startTestEngine, type TestEngine, TestUser } from "../support/engine.ts"
import { ModelByQuestion } from "../support/model-by-question.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import type { SseStream } from "../support/sse.ts"
import { foldText, type Wire } from "../support/wire.ts"

const words = ["bear", "Bär", "медведь", "熊", "🐻", "👩‍👩‍👧‍👦", '"\\\n\t', " "]
const deltas = Array.from({ length: 200 }, (_, index) => `${words[index % words.length]}${index} `)
/** Length of the text after each delta. */
const lengths = deltas.map((_, index) => deltas.slice(0, index + 1).join("").length)
const digestOf = (text: string) => createHash("sha256").update(text).digest("hex")

/** As many readers as a user may have, with the cut ones that still hang: each conversation takes every 20th delta. */
const conversations = 20
/** How many deltas before its cut a device comes, where it is not there from the beginning. */
const readsBefore = 10

type Stream = Wire | SseStream
const transports = {
  socket: (user: TestUser, conversationId: string, after?: string): Promise<Stream> =>
    user.connect(conversationId, after),
  "event stream": (user: TestUser, conversationId: string, after?: string): Promise<Stream> =>
    user.follow(conversationId, after === undefined ? {} : { headers: { "last-event-id": after } }),
}
type Transport = keyof typeof transports

/** One device, whose connection is cut once. */
class CutDevice {
  readonly cutAt: number
  readonly #line: CutLine
  readonly #open: (after?: string) => Promise<Stream>
  #stream: Stream
  /** What came before the cut. */
  #before: ServerFrame[] = []
  #resumed: Promise<void> | null = null

  private constructor(cutAt: number, line: CutLine, open: (after?: string) => Promise<Stream>, stream: Stream) {
    this.cutAt = cutAt
    this.#line = line
    this.#open = open
    this.#stream = stream
  }

  static async connect(cutAt: number, line: CutLine, open: (after?: string) => Promise<Stream>): Promise<CutDevice> {
    return new CutDevice(cutAt, line, open, await open())
  }

  /** Waits until it has read so much of the reply. */
  async reads(replyId: string, length: number): Promise<void> {
    while (foldText(this.#stream.frames, replyId).length < length) await this.#stream.next("reply.delta")
  }

  /** Cuts, and comes back with the last cursor. Resolves when it is back. */
  cut(how: Cut): Promise<void> {
    this.#line.cut(how)
    this.#before = [...this.#stream.frames]
    const last = this.#before.at(-1)!
    if (!("cursor" in last)) throw new Error(`${last.type} has no cursor`)
    this.#resumed = this.#comeBack(last.cursor)
    return this.#resumed
  }

  async #comeBack(cursor: string): Promise<void> {
    this.#stream = await this.#open(cursor)
  }

  /** All that it was told, over both connections. */
  async toEnd(): Promise<ServerFrame[]> {
    await this.#resumed
    await this.#stream.next("reply.ended")
    return [...this.#before, ...this.#stream.frames]
  }

  async close(): Promise<void> {
    if ("cut" in this.#stream) this.#stream.cut()
    else this.#stream.socket.terminate()
    await this.#line.close()
  }
}

describe(`200 devices, each cut off after another delta of a reply of 200 on ${oneDatabaseKind.name}`, () => {
  let opened: OpenDatabase
  let engine: TestEngine
  const speakers = new Map<string, ScriptedModel>()

  beforeEach(async () => {
    opened = await oneDatabaseKind.open()
    speakers.clear()
    const model = new ModelByQuestion(
      ({ question, signal }) => speakers.get(question)!.script({ model: "", messages: [], signal })!,
    )
    engine = await startTestEngine({ database: opened.database, script: model.script })
  })
  afterEach(async () => {
    await engine.close()
    await opened.close()
  })

  /** One reply, with a device for each of its deltas that is this conversation's: what they put together. */
  async function cutConversation(index: number, transport: Transport, how: Cut): Promise<string[]> {
    const user = await engine.user()
    const conversationId = await user.today()
    const connect = async (cutAt: number) => {
      const line = await CutLine.start(engine.url)
      const behind = new TestUser(line.url, user.id, user.token)
      const openStream = (after?: string) => transports[transport](behind, conversationId, after)
      return CutDevice.connect(cutAt, line, openStream)
    }
    // One is there before the message, so that it hears everything; the others find a reply under way.
    const devices = [await connect(index)]
    const speaker = new ScriptedModel()
    const question = `question ${index}`
    speakers.set(question, speaker)
    const witness = await user.connect(conversationId)
    witness.say(randomUUID(), question)
    const { reply_id: replyId } = await witness.next("reply.started")
    for (const [nth, delta] of deltas.entries()) {
      const cutAt = nth + readsBefore
      const isOurs = cutAt % conversations === index && cutAt < deltas.length
      if (isOurs && cutAt !== index) devices.push(await connect(cutAt))
      speaker.say(delta)
      await witness.next("reply.delta")
      for (const device of devices.filter(({ cutAt }) => cutAt === nth)) {
        await device.reads(replyId, lengths[nth]!)
        const back = device.cut(how)
        // Every other one comes back before the next word, the others while it is said, or later.
        if (nth % 2 === 0) await back
      }
    }
    speaker.finish()
    const path = `/conversations/${conversationId}/messages`
    await witness.next("reply.ended")
    const stored = (await user.request<MessagePage>("GET", path)).body.data.at(-1)!
    expect(stored).toMatchObject({ id: replyId, status: "completed", content: deltas.join("") })
    const told = await Promise.all(devices.map((device) => device.toEnd()))
    await Promise.all(devices.map((device) => device.close()))
    witness.socket.terminate()
    for (const frames of told) expectWhole(frames)
    return told.map((frames) => digestOf(foldText(frames, replyId)))
  }

  /** Each event once and in order, and the cursor honoured: nothing was lost, so nothing has to be told anew. */
  function expectWhole(frames: ServerFrame[]): void {
    const [before, after] = frames.filter((frame) => frame.type === "ready")
    expect(after).toMatchObject({ messages: null, cursor: expect.any(String) })
    const types = frames.map(({ type }) => type).filter((type) => type !== "reply.delta" && type !== "ready")
    expect(types).toEqual([...(before!.reply === null ? ["message.added", "reply.started"] : []), "reply.ended"])
  }

  const ways: [Cut, Transport][] = [...cuts.map((how): [Cut, Transport] => [how, "socket"]), ["FIN", "event stream"]]
  test.each(ways)(
    "by %s: each comes back on its %s, and has the stored text",
    async (how, transport) => {
      const indices = Array.from({ length: conversations }, (_, index) => index)
      const digests = (await Promise.all(indices.map((index) => cutConversation(index, transport, how)))).flat()
      expect(digests).toHaveLength(200)
      expect(new Set(digests)).toEqual(new Set([digestOf(deltas.join(""))]))
    },
    120_000,
  )
})
