import { setTimeout as delay } from "node:timers/promises"
import * as fc from "fast-check"
import { expect, test } from "vitest"
import type { ReplyWriter } from "../../src/live-ports.ts"
import { Device, expectedEvents } from "./device.ts"
import { Ledger } from "./ledger.ts"
import { describeTwoNodes, type TwoNodes } from "./two-nodes.ts"

const cut = fc.record({ do: fc.constant("cut" as const) })

/** What can happen to two nodes and four readers. `cuts`: how often Redis ends every connection. */
function steps(cuts: number) {
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
    { weight: cuts, arbitrary: cut },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40 }) }) },
  )
  if (cuts === 0) return fc.array(step, { minLength: 15, maxLength: 50 })
  // Once for certain, since few steps may hold none.
  const half = fc.array(step, { minLength: 8, maxLength: 25 })
  return fc.tuple(half, cut, half).map(([before, once, after]) => [...before, once, ...after])
}
type Step = ReturnType<typeof steps> extends fc.Arbitrary<(infer T)[]> ? T : never

/** A conversation whose replies and readers move between the nodes. */
class Moves {
  readonly #world: TwoNodes
  readonly #devices = [0, 1, 0, 1].map((node) => ({ device: new Device(), node }))
  #owner = 0
  #position = 0
  #queued = 0
  #writer: ReplyWriter
  /** Writers of attempts that another node took over. */
  readonly #late: ReplyWriter[] = []

  constructor(world: TwoNodes) {
    this.#world = world
    world.ledger = new Ledger()
    this.#writer = world.begin(world.nodes[0])
  }

  async connect(): Promise<void> {
    const { nodes, ledger } = this.#world
    await Promise.all(this.#devices.map(({ device, node }) => device.connect(nodes[node]!.log, ledger)))
  }

  async take(step: Step): Promise<void> {
    const { nodes, server, ledger } = this.#world
    if (step.do === "append") this.#writer.append(step.text)
    if (step.do === "wait") await delay(step.ms)
    if (step.do === "flush") await server.flush()
    if (step.do === "cut") await server.cutConnections()
    if (step.do === "fill") this.#devices[step.reader]!.device.room = step.room
    if (step.do === "drain") drain(this.#devices[step.reader]!.device)
    if (step.do === "turn") this.#turn(step.node)
    if (step.do === "takeOver") this.#takeOver(step.isSaved)
    if (step.do === "queue") {
      this.#queued += 1
      const position = this.#position + 2 * this.#queued
      nodes[step.node]!.log.announce(ledger.say(position), `r${position + 1}`, true)
    }
    if (step.do === "reconnect") {
      const moved = this.#devices[step.reader]!
      moved.node = step.node
      await moved.device.connect(nodes[step.node]!.log, ledger)
    }
    for (const writer of this.#late) writer.append("late")
  }

  async finish(): Promise<void> {
    const { ledger } = this.#world
    this.#world.finish(this.#writer)
    for (const writer of this.#late) writer.abandon()
    for (const { device } of this.#devices) {
      drain(device)
      await device.until(() => device.events.length >= expectedEvents(ledger.entries).length)
      this.#world.expectWhole(device)
      device.stop()
    }
  }

  /** The reply ends; its node begins what is queued, else any node begins with a new message. */
  #turn(node: number): void {
    const { nodes, ledger } = this.#world
    this.#world.finish(this.#writer)
    this.#position += 2
    if (this.#queued > 0) {
      this.#queued -= 1
      this.#writer = nodes[this.#owner]!.log.start(ledger.start(this.#position + 1))
    } else {
      this.#owner = node
      this.#writer = this.#world.begin(nodes[node]!, this.#position)
    }
  }

  #takeOver(isSaved: boolean): void {
    const { nodes, ledger } = this.#world
    this.#late.push(this.#writer)
    if (isSaved) ledger.save(this.#writer.text)
    this.#owner = 1 - this.#owner
    const { reply, text } = ledger.running!
    this.#writer = nodes[this.#owner]!.log.start(ledger.start(this.#position + 1, reply.attempt + 1))
    if (text !== "") this.#writer.append(text)
  }
}

function drain(device: Device): void {
  device.room = Number.POSITIVE_INFINITY
  device.following?.resume()
}

describeTwoNodes("however replies and readers move between two nodes, each reader hears everything once", (world) => {
  test.each([
    { what: "while Redis answers", cuts: 0, numRuns: 25 },
    { what: "while it cuts connections", cuts: 1, numRuns: 4 },
  ])("$what", async ({ cuts, numRuns }) => {
    const { nodes } = world()
    world().disconnect()
    const property = fc.asyncProperty(steps(cuts), async (taken) => {
      const moves = new Moves(world())
      await moves.connect()
      for (const step of taken) await moves.take(step)
      await moves.finish()
      expect(nodes.map(({ log }) => log.size)).toEqual([0, 0])
    })
    await fc.assert(property, { numRuns, endOnFailure: true })
    await expect.poll(() => nodes.some(({ changes }) => changes.includes("down"))).toBe(cuts > 0)
  })
})
