import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { ScriptedModel } from "../support/scripted-model.ts"
import { TwoNodeStage } from "../support/two-node-stage.ts"
import type { Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const within = 90_000
const rounds = 8

describe.skipIf(missing !== null)(
  `two devices on two nodes that send at the same moment${missing ? `: ${missing}` : ""}`,
  () => {
    let stage: TwoNodeStage
    let models: Map<string, ScriptedModel>
    beforeEach(() => {
      models = new Map()
    })
    afterEach(() => stage.close())

    function modelOf(question: string): ScriptedModel {
      const model = models.get(question) ?? new ScriptedModel()
      models.set(question, model)
      return model
    }

    async function connect(policy: string): Promise<{ wires: [Wire, Wire]; history: () => Promise<string[]> }> {
      stage = await TwoNodeStage.start({
        env: { CONCURRENT_SENDS: policy },
        script: (request) => modelOf(request.messages.at(-1)!.content).script(request),
      })
      const here = stage.nodes.user(stage.first)
      const there = stage.nodes.user(stage.second, here.id)
      const conversationId = await here.today()
      const wires: [Wire, Wire] = [await here.connect(conversationId), await there.connect(conversationId)]
      return { wires, history: () => stage.history(there, conversationId) }
    }

    /** Both at once; what each was answered. */
    function sendBoth(wires: [Wire, Wire], round: number) {
      return Promise.all(
        wires.map(async (wire, device) => {
          const id = randomUUID()
          wire.say(id, `${round} from ${device}`)
          const answer = await wire.answer(id)
          return answer.type === "error" ? answer.code : answer.type
        }),
      )
    }

    /** Lets the model answer this message, whether or not it was asked by now. */
    function answer(question: string): void {
      const model = modelOf(question)
      model.say(answerTo(question))
      model.finish()
    }

    async function expectAnswered(wires: [Wire, Wire], question: string): Promise<void> {
      for (const wire of wires) {
        const end = { status: "completed", message: { content: answerTo(question) } }
        expect(await wire.next("reply.ended")).toMatchObject(end)
      }
    }

    test(
      "enqueue: both are accepted and answered, in the same order on both",
      async () => {
        const { wires, history } = await connect("enqueue")
        for (let round = 0; round < rounds; round += 1) {
          expect(await sendBoth(wires, round)).toEqual(["message.added", "message.added"])
          const pair = await bothSaid(wires)
          for (const question of pair) answer(question)
          for (const question of pair) await expectAnswered(wires, question)
        }
        expect(orderOf(wires[0])).toEqual(orderOf(wires[1]))
        expect(await history()).toEqual(contentsOf(wires[0]).flatMap((content) => [content, answerTo(content)]))
        expect(stage.modelCalls).toBe(2 * rounds)
      },
      within,
    )

    test(
      "interrupt: the later one stops the reply to the earlier one, on both",
      async () => {
        const { wires, history } = await connect("interrupt")
        for (let round = 0; round < rounds; round += 1) {
          expect(await sendBoth(wires, round)).toEqual(["message.added", "message.added"])
          const [, later] = await bothSaid(wires)
          for (const wire of wires) expect((await wire.next("reply.ended")).status).toBe("stopped")
          answer(later)
          await expectAnswered(wires, later)
        }
        expect(orderOf(wires[0])).toEqual(orderOf(wires[1]))
        const expected = contentsOf(wires[0]).flatMap((content, index) => [
          content,
          index % 2 === 0 ? "" : answerTo(content),
        ])
        expect(await history()).toEqual(expected)
      },
      within,
    )

    test(
      "reject: exactly one is accepted, and the other is told so",
      async () => {
        const { wires, history } = await connect("reject")
        for (let round = 0; round < rounds; round += 1) {
          const answers = await sendBoth(wires, round)
          expect(answers.toSorted()).toEqual(["message.added", "reply_in_progress"])
          const accepted = `${round} from ${answers.indexOf("message.added")}`
          answer(accepted)
          await expectAnswered(wires, accepted)
        }
        expect(orderOf(wires[0])).toEqual(orderOf(wires[1]))
        const said = contentsOf(wires[0])
        expect(said).toHaveLength(rounds)
        expect(await history()).toEqual(said.flatMap((content) => [content, answerTo(content)]))
        expect(stage.modelCalls).toBe(rounds)
      },
      within,
    )
  },
)

const answerTo = (question: string) => `the answer to ${question}`

/** The newest two messages, in the order in which both devices were told of them. */
async function bothSaid(wires: [Wire, Wire]): Promise<[string, string]> {
  const count = Math.max(...wires.map((wire) => contentsOf(wire).length))
  const told = count + (count % 2)
  for (const wire of wires) await wire.until(() => contentsOf(wire).length >= told)
  const [earlier, later] = contentsOf(wires[0]).slice(-2)
  return [earlier!, later!]
}

/** What a device was told: the messages in their order, and the beginnings and ends of replies in theirs. */
function orderOf({ frames }: Wire): { messages: unknown[]; replies: unknown[] } {
  return {
    messages: frames.flatMap<unknown>((frame) => (frame.type === "message.added" ? [frame.message] : [])),
    replies: frames.flatMap<unknown>((frame) => {
      if (frame.type === "reply.started" || frame.type === "reply.restarted")
        return [{ type: frame.type, id: frame.reply_id, attempt: frame.attempt }]
      return frame.type === "reply.ended" ? [{ type: frame.type, message: frame.message, usage: frame.usage }] : []
    }),
  }
}

function contentsOf({ frames }: Wire): string[] {
  return frames.flatMap((frame) => (frame.type === "message.added" ? [frame.message.content] : []))
}
