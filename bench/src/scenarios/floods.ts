import { randomUUID } from "node:crypto"
import type { Bench, Scenario } from "../bench.ts"
import { HttpClient } from "../load/http.ts"
import { takeTurns } from "../load/rounds.ts"
import { connectAll } from "../load/sockets.ts"
import { type Ask, runStreams, type StreamsRound } from "../load/streams.ts"
import { medians, pooled, series } from "../metrics.ts"
import { type Flood, floodQuestion, floods as kinds } from "../model/flood.ts"
import type { Server } from "../servers/server.ts"
import { newUser } from "../servers/sign-in.ts"
import { startEngine } from "../servers/start-servers.ts"
import { quantile, ratioOfRounds, spread } from "../statistics.ts"
import { pacedPlan } from "./paced.ts"

const streamsCount = 20
/** Comments are no text: a model that sends nothing else is hung up on, and asked again. */
const silenceMs = "3000"

export const floods: Scenario = {
  name: "floods",
  description: "20 paced replies while one model floods: a byte a chunk, lines of 10 MB, 100,000 tokens/s, comments",
  needs: [],
  async run(bench, stack) {
    const { sizes } = bench
    const env = { LLM_FIRST_TOKEN_TIMEOUT_MS: silenceMs, LLM_IDLE_TIMEOUT_MS: silenceMs }
    const server = await startEngine(stack, bench, { env })
    const streams = sizes.scaled(streamsCount)
    const readers = (await connectAll(server, streams)).map(
      (socket): Ask =>
        (asked) =>
          socket.ask(asked),
    )
    const plan = { ...pacedPlan(bench), replies: 1 }
    const run = (label: string) => runStreams(server, readers, bench, plan, label)
    bench.say("floods: warm-up")
    await run("warm-up")
    const subjects = ["calm", ...kinds].map((name) => ({ name }))
    const rounds = await takeTurns(subjects, sizes.rounds, async ({ name }, number) => {
      bench.say(`floods: round ${number} of ${sizes.rounds}, ${name}`)
      const label = `${name}, round ${number}`
      const kind = kinds.find((one) => one === name)
      return kind === undefined ? run(label) : whileFlooded(bench, server, kind, () => run(label))
    })
    const tail = series(rounds, ({ tokenMs }) => quantile(tokenMs, 0.99), 2)
    const middle = series(rounds, ({ tokenMs }) => quantile(tokenMs, 0.5), 2)
    return {
      figures: {
        setting: { streams, ...plan, rounds: sizes.rounds },
        metrics: {
          token_ms: pooled(rounds, (all) => spread(all.flatMap(({ tokenMs }) => tokenMs))),
          first_token_ms: pooled(rounds, (all) => spread(all.flatMap(({ firstTokenMs }) => firstTokenMs))),
          share_of_a_core: medians(
            series(rounds, ({ shareOfCore }) => shareOfCore, 3),
            3,
          ),
        },
        rounds: { token_p50_ms: middle, token_p99_ms: tail },
      },
      ratios: Object.fromEntries(
        kinds.flatMap((kind) => [
          [`flood_${kind}_p50`, ratioOfRounds(middle[kind]!, middle["calm"]!)],
          [`flood_${kind}_p99`, ratioOfRounds(tail[kind]!, tail["calm"]!)],
        ]),
      ),
    }
  },
}

/** One user's replies flood the engine, one after the other, until the work is done. */
async function whileFlooded(
  { say }: Pick<Bench, "say">,
  server: Server,
  kind: Flood,
  work: () => Promise<StreamsRound>,
): Promise<StreamsRound> {
  const client = new HttpClient()
  const user = newUser()
  const over = new AbortController()
  let asked = 0
  const flooding = (async () => {
    const { body: today } = await client.call(`${server.baseUrl}/conversations/today`, { user })
    const { id }: { id: string } = JSON.parse(today)
    while (!over.signal.aborted) {
      const body = { id: randomUUID(), content: floodQuestion(kind, String((asked += 1))) }
      await client.call(`${server.baseUrl}/conversations/${id}/messages`, { user, body })
    }
  })()
  const measured = await work()
  over.abort()
  await flooding
  client.close()
  say(`floods: ${asked} by ${kind}`)
  return measured
}
