import { randomUUID } from "node:crypto"
import { Redis } from "ioredis"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { appendLua, channelOf, dropLua, groupOf, streamKey } from "../../src/live/redis-script.ts"
import { findRedisServer, RedisServer } from "../support/redis-server.ts"

const isMissing = findRedisServer() === null
describe.skipIf(isMissing)(`the script${isMissing ? ": no redis-server found" : ""}`, () => {
  let server: RedisServer
  let redis: Redis
  let subscriber: Redis
  let conversationId: string
  let published: string[]

  beforeAll(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    subscriber = new Redis(server.url)
    subscriber.on("message", (_channel, payload) => published.push(payload))
  })
  afterAll(async () => {
    redis.disconnect()
    subscriber.disconnect()
    await server.stop()
  })
  beforeEach(async () => {
    conversationId = randomUUID()
    published = []
    await subscriber.subscribe(channelOf(conversationId))
  })

  const append = (position: number, attempt: number, sequence: number, last: string, payload: string) =>
    redis.eval(
      appendLua,
      1,
      streamKey(conversationId),
      channelOf(conversationId),
      groupOf({ position, attempt }),
      sequence,
      last,
      payload,
      60_000,
      "1",
    )
  const stored = async () => (await redis.xrange(streamKey(conversationId), "-", "+")).map(([, fields]) => fields[1])
  /** What was published before this call has come. */
  const heard = async () => {
    await redis.publish(channelOf(conversationId), "fence")
    while (published.at(-1) !== "fence") await subscriber.ping()
    return published.slice(0, -1)
  }

  test("appends and publishes, and the stream expires", async () => {
    expect(await append(1, 1, 1, "", "a")).toBe("done")
    expect(await append(1, 1, 2, `${groupOf({ position: 1, attempt: 1 })}-1`, "b")).toBe("done")
    expect(await stored()).toEqual(["a", "b"])
    expect(await heard()).toEqual(["a", "b"])
    expect(await redis.pttl(streamKey(conversationId))).toBeGreaterThan(50_000)
  })

  test.each([
    { what: "an earlier attempt", newer: [1, 2], older: [1, 1] },
    { what: "the highest attempt of an earlier reply", newer: [3, 1], older: [1, 65_535] },
    { what: "an earlier attempt of a reply far behind", newer: [2_000_000_000, 2], older: [2_000_000_000, 1] },
  ])("$what is refused, whatever it says", async ({ newer, older }) => {
    const [position, attempt] = newer as [number, number]
    const [oldPosition, oldAttempt] = older as [number, number]
    expect(await append(position, attempt, 1, "", "new")).toBe("done")
    const group = groupOf({ position: oldPosition, attempt: oldAttempt })
    expect(await append(oldPosition, oldAttempt, 9, "", "late, all of it")).toBe("fenced")
    expect(await append(oldPosition, oldAttempt, 9, `${group}-8`, "late, a piece")).toBe("fenced")
    expect(await stored()).toEqual(["new"])
    expect(await heard()).toEqual(["new"])
  })

  test("a piece that does not continue what is there is refused, and saying everything replaces it", async () => {
    const group = groupOf({ position: 1, attempt: 1 })
    expect(await append(1, 1, 2, `${group}-1`, "b")).toBe("behind")
    expect(await append(1, 1, 3, "", "ab")).toBe("done")
    expect(await append(1, 1, 4, `${group}-2`, "c")).toBe("behind")
    expect(await append(1, 1, 5, `${group}-3`, "c")).toBe("done")
    expect(await append(1, 1, 6, "", "abc")).toBe("done")
    expect(await stored()).toEqual(["abc"])
    expect(await heard()).toEqual(["ab", "c", "abc"])
  })

  test("without memory nothing is stored, and nothing is published either", async () => {
    expect(await append(1, 1, 1, "", "a")).toBe("done")
    await server.fill(true)
    const group = groupOf({ position: 1, attempt: 1 })
    await expect(append(1, 1, 2, `${group}-1`, "b")).rejects.toThrow("OOM")
    await server.fill(false)
    expect(await stored()).toEqual(["a"])
    expect(await heard()).toEqual(["a"])
  })

  test("what was dropped stays dropped: the text is gone, and no writer comes after", async () => {
    await append(1, 1, 1, "", "secret")
    await redis.eval(dropLua, 1, streamKey(conversationId), channelOf(conversationId), "dropped", 60_000)
    expect(await append(2_000_000_000, 60_000, 1, "", "late")).toBe("fenced")
    expect(await stored()).toEqual(["dropped"])
    expect(await redis.pttl(streamKey(conversationId))).toBeGreaterThan(50_000)
  })
})
