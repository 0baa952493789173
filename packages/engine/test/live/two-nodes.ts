import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest"
import type { ReplyWriter } from "../../src/live-ports.ts"
import { openRedisNode, type RedisNode } from "../support/redis-nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { Device, expectedEvents, isSameOrder } from "./device.ts"
import { Ledger } from "./ledger.ts"

/** One Redis, two nodes, a conversation, and a reader on each node. */
export class TwoNodes {
  readonly server: RedisServer
  readonly nodes: [RedisNode, RedisNode]
  ledger = new Ledger()
  /** Reads on the first node. */
  readonly near = new Device()
  /** Reads on the second one. */
  readonly far = new Device()

  constructor(server: RedisServer, nodes: [RedisNode, RedisNode]) {
    this.server = server
    this.nodes = nodes
  }

  async connect(): Promise<void> {
    await this.near.connect(this.nodes[0].log, this.ledger)
    await this.far.connect(this.nodes[1].log, this.ledger)
  }

  disconnect(): void {
    this.near.stop()
    this.far.stop()
  }

  /** A message, and the beginning of its reply. */
  begin(node: RedisNode, position = 0): ReplyWriter {
    node.log.announce(this.ledger.say(position), `r${position + 1}`, true)
    return node.log.start(this.ledger.start(position + 1))
  }

  finish(writer: ReplyWriter): void {
    writer.end(this.ledger.end(writer.text))
  }

  /** They heard everything that was committed, once, with the texts that were stored. */
  expectWhole(...devices: Device[]): void {
    for (const device of devices) {
      expect(device.violations).toEqual([])
      const expected = expectedEvents(this.ledger.entries)
      if (!isSameOrder(device.events, expected)) expect(device.events).toEqual(expected)
    }
  }
}

/** A suite over two nodes; every test also shows that nothing is held once its readers have gone. */
export function describeTwoNodes(name: string, suite: (world: () => TwoNodes) => void): void {
  const isMissing = findRedisServer() === null
  describe.skipIf(isMissing)(`${name}${isMissing ? " (Redis: no redis-server found)" : ""}`, () => {
    let server: RedisServer
    let world: TwoNodes
    beforeAll(async () => {
      server = await RedisServer.start()
    })
    afterAll(() => server.stop())
    beforeEach(async () => {
      world = new TwoNodes(server, [await openRedisNode(server.url), await openRedisNode(server.url)])
      await world.connect()
    })
    afterEach(async () => {
      world.disconnect()
      const sizes = world.nodes.map(({ log }) => log.size)
      for (const node of world.nodes) node.close()
      expect(sizes).toEqual([0, 0])
    })
    suite(() => world)
  })
}
