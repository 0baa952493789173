import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { WebSocket } from "ws"
import type { Bench, Scenario } from "../bench.ts"
import { HttpClient } from "../load/http.ts"
import { takeTurns } from "../load/rounds.ts"
import { connectTalkers } from "../load/sockets.ts"
import { type Ask, runStreams } from "../load/streams.ts"
import { medians, pooled, series } from "../metrics.ts"
import { type Flood, floodQuestion, floods as kinds } from "../model/flood.ts"
import type { Server } from "../servers/server.ts"
import { newUser } from "../servers/sign-in.ts"
import { startEngine, startRelay } from "../servers/start-servers.ts"
import { quantile, ratioOfRounds, spread } from "../statistics.ts"
import { pacedPlan } from "./paced.ts"

const streamsCount = 20
/** Comments are no text: a model that sends nothing else is hung up on, and asked again. */
const silenceMs = "3000"

/** Begins a flood of one user's, and gives what ends it. */
type BeginFlood = (kind: Flood) => Promise<() => Promise<unknown>>

interface Flooded {
  name: string
  server: Server
  readers: Ask[]
  begin: BeginFlood
}

export const floods: Scenario = {
  name: "floods",
  description: "20 paced replies while one model floods: a byte a chunk, lines of 10 MB, 100,000 tokens/s, comments",
  needs: [],
  async run(bench, stack) {
    const { sizes } = bench
    const env = { LLM_FIRST_TOKEN_TIMEOUT_MS: silenceMs, LLM_IDLE_TIMEOUT_MS: silenceMs }
    const engine = await startEngine(stack, bench, { env })
    const relay = await startRelay(stack, bench)
    const streams = sizes.scaled(streamsCount)
    const plan = { ...pacedPlan(bench), replies: 1 }
    const run = ({ server, readers }: Flooded, label: string) => runStreams(server, readers, bench, plan, label)
    const subjects = []
    for (const [server, begin] of [
      [engine, askAgain(engine, bench)] as const,
      [relay, askOnce(relay, bench)] as const,
    ]) {
      const readers = (await connectTalkers(server, streams)).map(
        (socket): Ask =>
          (asked) =>
            socket.ask(asked),
      )
      const flooded: Flooded = { name: server.name, server, readers, begin }
      bench.say(`floods: warm-up, ${server.name}`)
      await run(flooded, "warm-up")
      for (const kind of [null, ...kinds]) subjects.push({ ...flooded, name: `${server.name} ${kind ?? "calm"}`, kind })
    }
    const rounds = await takeTurns(subjects, sizes.rounds, async (subject, number) => {
      bench.say(`floods: round ${number} of ${sizes.rounds}, ${subject.name}`)
      const end = subject.kind === null ? null : await subject.begin(subject.kind)
      const measured = await run(subject, `${subject.name}, round ${number}`)
      await end?.()
      return measured
    })
    const tail = series(rounds, ({ tokenMs }) => quantile(tokenMs, 0.99), 2)
    const middle = series(rounds, ({ tokenMs }) => quantile(tokenMs, 0.5), 2)
    const toCalm = (of: Record<string, number[]>, { name }: Server, kind: Flood) =>
      ratioOfRounds(of[`${name} ${kind}`]!, of[`${name} calm`]!)
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
          [`flood_${kind}_p50`, toCalm(middle, engine, kind)],
          [`flood_${kind}_p99`, toCalm(tail, engine, kind)],
          [`flood_${kind}_p50_relay`, toCalm(middle, relay, kind)],
          [`flood_${kind}_p99_relay`, toCalm(tail, relay, kind)],
        ]),
      ),
    }
  },
}

/** The engine hangs up on a flood sooner or later, and is asked again. */
function askAgain({ baseUrl }: Server, { model }: Pick<Bench, "model">): BeginFlood {
  return async (kind) => {
    const client = new HttpClient()
    const user = newUser()
    const { body: today } = await client.call(`${baseUrl}/conversations/today`, { user })
    const { id }: { id: string } = JSON.parse(today)
    const over = new AbortController()
    const flooding = (async () => {
      while (!over.signal.aborted) {
        const body = { id: randomUUID(), content: floodQuestion(kind, randomUUID()) }
        await client.call(`${baseUrl}/conversations/${id}/messages`, { user, body })
      }
    })()
    return async () => {
      over.abort()
      await model.calm()
      await flooding
      client.close()
    }
  }
}

/** The relay never does; it reads on when nobody reads what it writes. */
function askOnce({ baseUrl }: Server, { model }: Pick<Bench, "model">): BeginFlood {
  return async (kind) => {
    const socket = new WebSocket(baseUrl.replace("http", "ws"))
    await once(socket, "open")
    socket.send(floodQuestion(kind, "once"))
    socket.close()
    return () => model.calm()
  }
}
