import { setTimeout as delay } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { Random } from "../chaos/random.ts"
import { missingServer } from "../support/database-kinds.ts"
import { type Node, Nodes } from "../support/nodes.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"
import { Fleet, type Member } from "./fleet.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)

const killsCount = 8
const seed = 20261123
/** From a kill on, until another node goes on with what the killed one produced. */
const promisedMs = 30_000

describe.skipIf(missing !== null).concurrent(`nodes that are killed${missing ? `: ${missing}` : ""}`, () => {
  async function open(nodeCount: number, env: Record<string, string>) {
    const fleet = new Fleet(seed)
    const nodes = await Nodes.create(fleet.book.script)
    fleet.nodes = nodes
    const running = await Promise.all(Array.from({ length: nodeCount }, () => nodes.start(env)))
    return { fleet, nodes, running }
  }

  test(`${killsCount} kills at any moment of many replies: nothing acknowledged is lost, and every reply ends once`, async () => {
    const redis = await RedisServer.start()
    const random = Random.of(seed, "kills")
    const env = { REDIS_URL: redis.url }
    const { fleet, nodes, running } = await open(2, env)
    try {
      for (let index = 0; index < 12; index++) await fleet.join(running[index % 2]!)
      let onTime = Promise.resolve()
      for (let kill = 0; kill < killsCount; kill++) {
        const survivor = running[(kill + 1) % 2]!
        fleet.comeBack(running[kill % 2]!)
        await fleet.until("all are connected", () => fleet.isConnected)
        for (const member of fleet.members) if (random.chance(0.7)) fleet.say(member)
        await delay(random.between(0, 900))
        running[kill % 2]!.process.kill("SIGKILL")
        if (kill === killsCount - 1) onTime = fleet.goesOn(promisedMs)
        await running[kill % 2]!.process.exited
        fleet.comeBack(survivor)
        running[kill % 2] = await nodes.start(env)
      }
      await Promise.all([onTime, fleet.settle(running[0]!, 2 * promisedMs)])
      const { replies } = await fleet.expectWhole()
      // They did hit replies.
      expect(replies.filter(({ attempt }) => attempt > 1).length).toBeGreaterThan(3)
    } finally {
      fleet.leave()
      await nodes.close()
      await redis.stop()
    }
  }, 120_000)

  test("the only node, started again, goes on with its own replies within 30 s", async () => {
    const { fleet, nodes, running } = await open(1, {})
    try {
      const only: Node = running[0]!
      for (let index = 0; index < 4; index++) await fleet.join(only)
      await fleet.until("all are connected", () => fleet.isConnected)
      for (const member of [...fleet.members, ...fleet.members]) fleet.say(member)
      const isReading = ({ devices }: Member) => (devices[0]!.view.running?.text ?? "") !== ""
      await fleet.until("somebody is read to", () => fleet.members.some(isReading))
      only.process.kill("SIGKILL")
      const onTime = fleet.goesOn(promisedMs)
      await only.process.exited
      await Promise.all([onTime, fleet.settle(await nodes.start(), 2 * promisedMs)])
      const { replies } = await fleet.expectWhole()
      expect(replies.some(({ attempt }) => attempt === 2)).toBe(true)
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => "completed"))
    } finally {
      fleet.leave()
      await nodes.close()
    }
  }, 90_000)
})
