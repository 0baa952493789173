import { randomUUID } from "node:crypto"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { missingServer } from "../support/database-kinds.ts"
import { GrizzProcess } from "../support/grizz-process.ts"
import { findRedisServer } from "../support/redis-server.ts"
import { heard, say, TwoNodeStage } from "../support/two-node-stage.ts"
import { Wire } from "../support/wire.ts"

const missing = missingServer ?? (findRedisServer() === null ? "no redis-server found" : null)
const within = 90_000
const hourMs = 3_600_000
const shifted = (shiftMs: number) => ({
  NODE_OPTIONS: `--import ${new URL("../support/shifted-clock.ts", import.meta.url).href}`,
  CLOCK_SHIFT_MS: String(shiftMs),
})

/** A zone in which it is between noon and one now: far from midnight, also an hour away. */
function zoneAtNoon(): string {
  const ahead = (36 - new Date().getUTCHours()) % 24
  if (ahead === 0) return "UTC"
  // Named the wrong way round: Etc/GMT-5 is five hours ahead of UTC.
  return ahead <= 14 ? `Etc/GMT-${ahead}` : `Etc/GMT+${24 - ahead}`
}

describe.skipIf(missing !== null).each([
  { clock: "an hour ahead", shiftMs: hourMs },
  { clock: "an hour behind", shiftMs: -hourMs },
])(`a node whose clock is $clock, beside a right one${missing ? `: ${missing}` : ""}`, ({ shiftMs }) => {
  let stage: TwoNodeStage
  beforeEach(async () => {
    stage = await TwoNodeStage.start({ each: [shifted(shiftMs), {}] })
  })
  afterEach(() => stage.close())

  /** The same user on the wrong node and on the right one, signed in for longer than the clock is off. */
  function users() {
    const wrong = stage.nodes.user(stage.first, randomUUID(), 3 * 3600)
    return { wrong, right: stage.nodes.user(stage.second, wrong.id, 3 * 3600) }
  }

  /** The lease is renewed by its owner that often, and not taken over meanwhile. */
  async function expectRenewed(replyId: string, times: number): Promise<void> {
    let last = -1
    for (let renewal = 0; renewal < times; renewal += 1) {
      const isRenewed = async () => {
        const { leaseSeconds, attempt } = await stage.reply(replyId)
        expect(attempt).toBe(1)
        expect(leaseSeconds).toBeGreaterThan(0)
        expect(leaseSeconds).toBeLessThanOrEqual(15)
        const before = last
        last = leaseSeconds!
        // What is left of a lease grows only when it is renewed.
        return last > before
      }
      await expect.poll(isRenewed, { timeout: 10_000 }).toBe(true)
      last = (await stage.reply(replyId)).leaseSeconds!
    }
  }

  test(
    "leases hold, and what the one that dies leaves is ended by the other in time",
    async () => {
      const { wrong, right } = users()
      const conversationId = await wrong.today()
      const wires = { wrong: await wrong.connect(conversationId), right: await right.connect(conversationId) }
      // Ahead: it would take what is not late. Behind: it would not give up what is.
      const [owner, heir, ownerNode] =
        shiftMs > 0
          ? ([wires.right, wires.wrong, stage.second] as const)
          : ([wires.wrong, wires.right, stage.first] as const)
      owner.say(randomUUID(), "go")
      stage.calls[0]!.say("the first try")
      const { reply_id: replyId } = await heir.next("reply.delta")
      await expectRenewed(replyId, 3)
      ownerNode.process.kill("SIGKILL")
      const killedAtMs = performance.now()
      stage.calls[1]!.say("the second try")
      stage.calls[1]!.finish()
      expect(await heir.next("reply.restarted")).toMatchObject({ reply_id: replyId, attempt: 2 })
      expect(performance.now() - killedAtMs).toBeGreaterThan(5000)
      expect(performance.now() - killedAtMs).toBeLessThan(30_000)
      await heir.next("reply.ended")
      expect(heard(heir, replyId)).toEqual({ text: "the second try", ends: ["completed: the second try"] })
      expect(await stage.reply(replyId)).toMatchObject({ status: "completed", attempt: 2, calls: 2 })
    },
    within,
  )

  test(
    "positions, times and order are the database's, and away from midnight both nodes have the same today",
    async () => {
      const { wrong, right } = users()
      const path = `/conversations/today?tz=${encodeURIComponent(zoneAtNoon())}`
      const both = await Promise.all([wrong, right].map((user) => user.request<{ id: string }>("GET", path)))
      expect(both[0]!.body).toEqual(both[1]!.body)
      const { id: conversationId } = both[0]!.body
      const wires = [await wrong.connect(conversationId), await right.connect(conversationId)] as const
      const asked: string[] = []
      for (let turn = 0; turn < 6; turn += 1) {
        stage.calls[turn]!.say(`a${turn}`)
        stage.calls[turn]!.finish()
        expect(await say(wires[turn % 2]!, `q${turn}`)).toBe("message.added")
        asked.push(`q${turn}`, `a${turn}`)
        for (const wire of wires) expect((await wire.next("reply.ended")).message.content).toBe(`a${turn}`)
      }
      expect(await stage.history(right, conversationId)).toEqual(asked)
      expect(await stage.history(wrong, conversationId)).toEqual(asked)
      const rows = await stage.query<{ is_soon: boolean; is_rising: boolean }>(
        `select bool_and(abs(extract(epoch from m.created_at - clock_timestamp())) < 60) as is_soon,
          bool_and(m.created_at > m.before) as is_rising
         from (select created_at, lag(created_at, 1, '-infinity') over (order by position) as before
           from public.messages where conversation_id = $1::uuid) m`,
        [conversationId],
      )
      expect(rows).toEqual([{ is_soon: true, is_rising: true }])
    },
    within,
  )

  test(
    "a token is judged by the node's own clock, and the doctor says that it is wrong",
    async () => {
      const halfAnHour = shiftMs > 0 ? 1800 : -1800
      const id = randomUUID()
      const [wrong, right] = [stage.first, stage.second].map((node) => stage.nodes.user(node, id, halfAnHour))
      const statusOf = async (user: typeof wrong) => (await user!.request("GET", "/conversations/today")).status
      // Ahead it refuses what is still good; behind it takes what has expired.
      expect([await statusOf(wrong), await statusOf(right)]).toEqual(shiftMs > 0 ? [401, 200] : [200, 401])
      const socket = await Wire.open((shiftMs > 0 ? wrong : right)!.socketUrl("today"), "grizz.v1")
      expect((await socket.closed).code).toBe(4401)
      // A ticket's 30 s are the database's.
      const { ticket } = (await users().right.request<{ ticket: string }>("POST", "/ws/tickets")).body
      const url = `${stage.first.url.replace("http", "ws")}/ws/chat/today?ticket=${ticket}`
      await (await Wire.open(url, "grizz.v1")).next("ready")
      const doctor = new GrizzProcess({
        args: ["doctor", "--offline-model"],
        cwd: "/",
        env: { DATABASE_URL: stage.nodes.databaseUrl, ...shifted(shiftMs) },
      })
      await doctor.exited
      expect(doctor.output).toMatch(new RegExp(`fail +clock .*3[56]\\d\\d s ${shiftMs > 0 ? "ahead of" : "behind"} it`))
    },
    within,
  )
})
