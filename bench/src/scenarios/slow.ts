import type { Scenario } from "../bench.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { takeTurns } from "../load/rounds.ts"
import { connectTalkers } from "../load/sockets.ts"
import { type Ask, runStreams, type StreamsRound } from "../load/streams.ts"
import { untilQuiet } from "../machine/until-quiet.ts"
import { medians, pooled, series } from "../metrics.ts"
import { question } from "../model/question.ts"
import type { Server } from "../servers/server.ts"
import { startEngine } from "../servers/start-servers.ts"
import { ratioOfRounds, round, spread } from "../statistics.ts"
import { pacedPlan } from "./paced.ts"

const slowShare = 0.02
/** About half of the most that a reply may have: more than the kernel's buffers take, so that the engine has to wait. */
const slowTokens = 120_000

interface Round extends StreamsRound {
  /** What the engine's memory grew by while the slow readers stood still. */
  grownKib: number
}

export const slow: Scenario = {
  name: "slow",
  description: "paced replies while 2 % of the readers have stopped reading long ones",
  needs: [],
  async run(bench, stack) {
    const { sizes } = bench
    const server = await startEngine(stack, bench, { env: { DELTA_HOLD_MS: "0" } })
    const streams = sizes.scaled(200)
    const readers = (await connectTalkers(server, streams)).map(
      (socket): Ask =>
        (asked) =>
          socket.ask(asked),
    )
    const slowReaders = await connectTalkers(server, Math.max(1, Math.round(streams * slowShare)))
    const plan = pacedPlan(bench)
    const run = (label: string) => runStreams(server, readers, bench, plan, label)
    bench.say("slow: warm-up")
    await run("warm-up")
    const rounds = await takeTurns(
      [{ name: "all_read" }, { name: "some_stopped" }],
      sizes.rounds,
      ({ name }, number) => {
        bench.say(`slow: round ${number} of ${sizes.rounds}, ${name}`)
        const label = `${name}, round ${number}`
        const measure = () => grown(server, () => run(label))
        return name === "all_read" ? measure() : whileStopped(server, slowReaders, label, measure)
      },
    )
    const cpu = series(rounds, ({ microsPerToken }) => microsPerToken)
    return {
      figures: {
        setting: { streams, slow_readers: slowReaders.length, slow_tokens: slowTokens, ...plan, rounds: sizes.rounds },
        metrics: {
          cpu_us_per_token: medians(cpu),
          token_ms: pooled(rounds, (all) => spread(all.flatMap(({ tokenMs }) => tokenMs))),
          first_token_ms: pooled(rounds, (all) => spread(all.flatMap(({ firstTokenMs }) => firstTokenMs))),
          grown_mib: medians(series(rounds, ({ grownKib }) => grownKib / 1024)),
        },
        rounds: { cpu_us_per_token: cpu },
      },
      ratios: { slow_readers_token: ratioOfRounds(cpu["some_stopped"]!, cpu["all_read"]!) },
    }
  },
}

async function grown(server: Server, work: () => Promise<StreamsRound>): Promise<Round> {
  const before = server.residentKib()
  const measured = await work()
  return { ...measured, grownKib: round(server.residentKib() - before) }
}

/** The readers ask and stop reading; when the work is done they read everything, and it is checked. */
async function whileStopped(
  server: Server,
  readers: ChatSocket[],
  label: string,
  work: () => Promise<Round>,
): Promise<Round> {
  const before = server.residentKib()
  const answers = readers.map((reader, number) => {
    const answer = reader.ask(question(`${label}, slow reader ${number}`, slowTokens, "burst"))
    reader.pause()
    return answer
  })
  const settled = Promise.all(answers)
  // It fails before anyone waits for it when a reader is closed meanwhile.
  settled.catch(() => undefined)
  // Their replies are produced, and what the kernel does not take waits: producing them is not what is measured.
  await untilQuiet(server)
  const measured = await work()
  const grownKib = server.residentKib() - before
  for (const reader of readers) reader.resume()
  await settled
  return { ...measured, grownKib }
}
