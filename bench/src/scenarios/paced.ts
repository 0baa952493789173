import type { Bench, Scenario } from "../bench.ts"
import type { Outcome, ScenarioFigures } from "../figures.ts"
import { type Rounds, takeTurns } from "../load/rounds.ts"
import { connectTalkers } from "../load/sockets.ts"
import { type Ask, runStreams, type StreamsPlan, type StreamsRound } from "../load/streams.ts"
import { medians, pooled, series } from "../metrics.ts"
import type { Server, Subject } from "../servers/server.ts"
import { startEngine, startServers } from "../servers/start-servers.ts"
import { ratioOfRounds, type Spread, spread } from "../statistics.ts"

const tokensPerSecond = 50

export const paced: Scenario = {
  name: "paced",
  description: "200 replies at once of 50 tokens a second, with text held back under load and without",
  isQuick: true,
  needs: [],
  async run(bench, stack) {
    const { all } = await startServers(stack, bench, { env: { DELTA_HOLD_MS: "0" } })
    const held = await startEngine(stack, bench, { name: "held" })
    const outcome = await runPaced(bench, "paced", [...all, held], 200)
    const cpu = outcome.figures.rounds["cpu_us_per_token"]!
    const naive = cpu["naive"]
    return {
      ...outcome,
      ratios: {
        paced_token: ratioOfRounds(cpu["engine"]!, cpu["relay"]!),
        paced_token_held: ratioOfRounds(cpu["held"]!, cpu["relay"]!),
        ...(naive && { paced_token_naive: ratioOfRounds(naive, cpu["relay"]!) }),
      },
    }
  },
}

export const low: Scenario = {
  name: "low",
  description: "20 replies at once of 50 tokens a second",
  needs: [],
  async run(bench, stack) {
    const { all } = await startServers(stack, bench)
    const outcome = await runPaced(bench, "low", all, 20)
    const cpu = outcome.figures.rounds["cpu_us_per_token"]!
    return { ...outcome, ratios: { low_token: ratioOfRounds(cpu["engine"]!, cpu["relay"]!) } }
  },
}

async function runPaced(bench: Bench, name: string, servers: Server[], sockets: number): Promise<Outcome> {
  const streams = bench.sizes.scaled(sockets)
  const clients = new Map<Subject, Ask[]>()
  for (const server of servers) {
    clients.set(
      server,
      (await connectTalkers(server, streams)).map((socket) => (question) => socket.ask(question)),
    )
  }
  const plan = pacedPlan(bench)
  const rounds = await pacedRounds(bench, name, servers, (subject) => clients.get(subject)!, plan)
  return { figures: figuresOf({ streams, ...plan, rounds: bench.sizes.rounds }, rounds), ratios: {} }
}

export function pacedPlan({ sizes }: Pick<Bench, "sizes">): StreamsPlan {
  // A quick run asks once: shorter replies would be of a turn's cost more than of a token's.
  return { tokensPerSecond, tokens: sizes.tokens, replies: sizes.isQuick ? 1 : 2 }
}

/** A round of each subject to warm up, then the rounds that count. */
export async function pacedRounds<One extends Subject>(
  bench: Bench,
  name: string,
  subjects: readonly One[],
  streams: (subject: One) => readonly Ask[],
  plan: StreamsPlan,
): Promise<Rounds<StreamsRound>> {
  const { rounds, isQuick } = bench.sizes
  const warmUp = { ...plan, replies: 1, tokens: isQuick ? Math.ceil(plan.tokens / 4) : plan.tokens }
  for (const subject of subjects) {
    bench.say(`${name}: warm-up, ${subject.name}`)
    await runStreams(subject, streams(subject), bench, warmUp, "warm-up")
  }
  return takeTurns(subjects, rounds, (subject, number) => {
    bench.say(`${name}: round ${number} of ${rounds}, ${subject.name}`)
    return runStreams(subject, streams(subject), bench, plan, `round ${number}`)
  })
}

export function figuresOf(setting: ScenarioFigures["setting"], rounds: Rounds<StreamsRound>): ScenarioFigures {
  const cpu = series(rounds, ({ microsPerToken }) => microsPerToken)
  const database = series(rounds, ({ databaseMicrosPerToken }) => databaseMicrosPerToken)
  delete database["relay"]
  const firstToken = pooled(rounds, (all) => spread(all.flatMap(({ firstTokenMs }) => firstTokenMs)))
  return {
    setting,
    metrics: {
      cpu_us_per_token: medians(cpu),
      database_us_per_token: medians(database),
      share_of_a_core: medians(
        series(rounds, ({ shareOfCore }) => shareOfCore, 3),
        3,
      ),
      first_token_ms: firstToken,
      added_first_token_ms: addedTo(firstToken["relay"], firstToken),
      token_ms: pooled(rounds, (all) => spread(all.flatMap(({ tokenMs }) => tokenMs))),
    },
    rounds: { cpu_us_per_token: cpu },
  }
}

/** What the others take longer than the floor. */
function addedTo(floor: unknown, all: Record<string, unknown>): Record<string, Spread> {
  if (!isSpread(floor)) return {}
  const added: Record<string, Spread> = {}
  for (const [subject, value] of Object.entries(all)) {
    if (subject === "relay" || !isSpread(value)) continue
    added[subject] = spreadDifference(value, floor)
  }
  return added
}

function spreadDifference(upper: Spread, lower: Spread): Spread {
  return { p50: Number((upper.p50 - lower.p50).toFixed(2)), p99: Number((upper.p99 - lower.p99).toFixed(2)) }
}

function isSpread(value: unknown): value is Spread {
  return typeof value === "object" && value !== null && "p50" in value && "p99" in value
}
