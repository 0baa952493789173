import { setTimeout as delay } from "node:timers/promises"
import type { Answer, ChatSocket } from "./chat-socket.ts"
import type { ModelTimes } from "./model-server.ts"
import { monotonicMs } from "./monotonic.ts"
import { question } from "./question.ts"
import type { ModelServer, Server, Servers } from "./servers.ts"
import { connectAll } from "./sockets.ts"
import { median, round, type Spread, spread } from "./statistics.ts"

export interface PacedPlan {
  streams: number
  tokensPerSecond: number
  rounds: number
  /** Length of a reply. */
  tokens: number
}

export interface PacedFigures {
  streams: number
  tokens_per_second: number
  rounds: number
  engine: PacedCost
  relay: PacedCost
  /** What the engine takes longer to the first token than the relay. */
  added_first_token_ms: Spread
  ratio: number
}

interface PacedCost {
  /** The median of the rounds. */
  cpu_us_per_token: number
  /** CPU time over wall time. */
  share_of_a_core: number
  /** From the question until its first token, less what the model took of it. */
  first_token_ms: Spread
  /** From the model's write of a token until the client has it. */
  token_ms: Spread
  /** CPU per token of each round. */
  rounds: number[]
}

interface Round {
  microsPerToken: number
  shareOfCore: number
  firstTokenMs: number[]
  tokenMs: number[]
}

/** Replies of each stream in a round, one after the other. */
const repliesPerStream = 2
/** The streams of a round start over this share of the time that a reply takes. */
const rampShare = 0.5

/** Many replies at a person's pace at once; measured while all of them run. */
export async function measurePaced(
  { engine, relay }: Servers,
  model: ModelServer,
  plan: PacedPlan,
  say: (progress: string) => void,
): Promise<PacedFigures> {
  const clients = new Map<Server, ChatSocket[]>()
  for (const server of [engine, relay]) clients.set(server, await connectAll(server, plan.streams))
  const rounds = new Map<Server, Round[]>([
    [engine, []],
    [relay, []],
  ])
  // The first one warms up.
  for (let number = 0; number <= plan.rounds; number++) {
    say(number === 0 ? "paced: warm-up" : `paced: round ${number} of ${plan.rounds}`)
    for (const server of [engine, relay]) {
      const measured = await runRound(server, clients.get(server)!, model, plan, number)
      if (number > 0) rounds.get(server)!.push(measured)
    }
  }
  for (const sockets of clients.values()) await Promise.all(sockets.map((socket) => socket.close()))
  return figuresOf(plan, rounds.get(engine)!, rounds.get(relay)!)
}

async function runRound(
  server: Server,
  sockets: ChatSocket[],
  model: ModelServer,
  plan: PacedPlan,
  number: number,
): Promise<Round> {
  const replies = number === 0 ? 1 : repliesPerStream
  const replyMs = (plan.tokens / plan.tokensPerSecond) * 1000
  const rampMs = replyMs * rampShare
  const stream = async (socket: ChatSocket, at: number) => {
    await delay((at / sockets.length) * rampMs)
    const answers: Answer[] = []
    for (let reply = 0; reply < replies; reply++) {
      const label = `${server.name}, round ${number}, stream ${at}, reply ${reply}`
      answers.push(await socket.ask(question(label, plan.tokens, plan.tokensPerSecond)))
    }
    return answers
  }
  // Until the first stream has nothing more to say.
  const [answers, window] = await Promise.all([
    Promise.all(sockets.map(stream)),
    measureWindow(server, rampMs, replies * replyMs),
  ])
  return roundOf(answers.flat(), window, await model.takeTimes())
}

interface Window {
  fromMs: number
  toMs: number
  cpuMicros: number
}

/** CPU that the server uses between two moments, given in ms from now. */
async function measureWindow(server: Server, startMs: number, endMs: number): Promise<Window> {
  await delay(startMs)
  const cpuBefore = server.cpuMicros()
  const fromMs = monotonicMs()
  await delay(endMs - startMs)
  return { fromMs, cpuMicros: server.cpuMicros() - cpuBefore, toMs: monotonicMs() }
}

function roundOf(answers: Answer[], { fromMs, toMs, cpuMicros }: Window, times: Record<string, ModelTimes>): Round {
  const tokenMs: number[] = []
  const firstTokenMs: number[] = []
  for (const { question, askedMs, tokensMs } of answers) {
    const model = times[question.text]
    if (model === undefined) throw new Error(`the model never heard "${question.text}"`)
    firstTokenMs.push(model.arrivedMs - askedMs + tokensMs[0]! - model.tokensMs[0]!)
    tokensMs.forEach((atMs, token) => {
      if (atMs >= fromMs && atMs < toMs) tokenMs.push(atMs - model.tokensMs[token]!)
    })
  }
  return {
    microsPerToken: cpuMicros / tokenMs.length,
    shareOfCore: cpuMicros / 1000 / (toMs - fromMs),
    firstTokenMs,
    tokenMs,
  }
}

function figuresOf(plan: PacedPlan, engine: Round[], relay: Round[]): PacedFigures {
  const costs = { engine: costOf(engine), relay: costOf(relay) }
  return {
    streams: plan.streams,
    tokens_per_second: plan.tokensPerSecond,
    rounds: plan.rounds,
    ...costs,
    added_first_token_ms: {
      p50: round(costs.engine.first_token_ms.p50 - costs.relay.first_token_ms.p50, 2),
      p99: round(costs.engine.first_token_ms.p99 - costs.relay.first_token_ms.p99, 2),
    },
    ratio: round(median(engine.map(({ microsPerToken }, at) => microsPerToken / relay[at]!.microsPerToken)), 3),
  }
}

function costOf(rounds: Round[]): PacedCost {
  const perToken = rounds.map(({ microsPerToken }) => microsPerToken)
  return {
    cpu_us_per_token: round(median(perToken), 1),
    share_of_a_core: round(median(rounds.map(({ shareOfCore }) => shareOfCore)), 3),
    first_token_ms: spread(rounds.flatMap(({ firstTokenMs }) => firstTokenMs)),
    token_ms: spread(rounds.flatMap(({ tokenMs }) => tokenMs)),
    rounds: perToken.map((micros) => round(micros, 1)),
  }
}
