import type { Bench, Scenario } from "../bench.ts"
import { type Cost, costOf } from "../load/rounds.ts"
import { connectTalkers } from "../load/sockets.ts"
import { type Ask, runStreams, type StreamsPlan } from "../load/streams.ts"
import { medians, series } from "../metrics.ts"
import { question } from "../model/question.ts"
import { startEngine } from "../servers/start-servers.ts"
import { median, round } from "../statistics.ts"
import { startDriver } from "../store/start-driver.ts"
import { pacedPlan } from "./paced.ts"

/** In one go, so that the clock's resolution does not matter; the text grows with each. */
const beats = 40

export const recovery: Scenario = {
  name: "recovery",
  description: "what leases and checkpoints cost: a second's heartbeat for 200 replies, beside their paced turns",
  needs: ["server"],
  async run(bench, stack) {
    const { sizes, say } = bench
    const replies = sizes.scaled(200)
    const plan = { ...pacedPlan(bench), replies: 1 }
    const heartbeat = await heartbeats(bench, stack, replies)
    say("recovery: paced turns")
    const engine = await startEngine(stack, bench)
    const streams = (await connectTalkers(engine, replies)).map(
      (socket): Ask =>
        (asked) =>
          socket.ask(asked),
    )
    await runStreams(engine, streams, bench, plan, "warm-up")
    const turns: number[] = []
    for (let number = 1; number <= sizes.rounds; number++) {
      const measured = await runStreams(engine, streams, bench, plan, `round ${number}`)
      turns.push((measured.microsPerToken + (measured.databaseMicrosPerToken ?? 0)) * plan.tokens)
    }
    const perBeat = series(new Map([["both", heartbeat]]), (cost) => micros(cost) / beats / replies)["both"]!
    const perTurn = perBeat.map((one) => one * beatsOf(plan))
    return {
      figures: {
        setting: { streams: replies, beats_per_turn: beatsOf(plan), ...plan, rounds: sizes.rounds },
        metrics: {
          heartbeat_us_per_reply: medians({
            node: heartbeat.map(({ cpuMicros }) => cpuMicros / beats / replies),
            database: heartbeat.map(({ databaseMicros }) => (databaseMicros ?? 0) / beats / replies),
          }),
          us_per_turn: medians({ heartbeats: perTurn, paced_turn: turns }),
        },
        rounds: { us_per_turn: { heartbeats: perTurn, paced_turn: turns } },
      },
      ratios: { recovery_share: round(median(perTurn) / median(turns), 3) },
    }
  },
}

/** Replies live that many seconds, and each second has a heartbeat. */
const beatsOf = ({ tokens, tokensPerSecond }: StreamsPlan) => tokens / tokensPerSecond

const micros = ({ cpuMicros, databaseMicros }: Cost) => cpuMicros + (databaseMicros ?? 0)

async function heartbeats(bench: Bench, stack: AsyncDisposableStack, replies: number): Promise<Cost[]> {
  const driver = await startDriver(stack, bench, "engine")
  const answer = question("recovery", bench.sizes.tokens, "burst").tokens.join("")
  const costs: Cost[] = []
  for (let number = 0; number <= bench.sizes.rounds; number++) {
    bench.say(`recovery: heartbeats, round ${number}`)
    await driver.run({ work: "begin_replies", replies, beats, answer })
    const cost = await costOf(driver, bench.database, () => driver.run({ work: "beat" }))
    // The first one warms up.
    if (number > 0) costs.push(cost)
  }
  return costs
}
