import { randomUUID } from "node:crypto"
import type { Bench, Scenario } from "../bench.ts"
import type { ScenarioFigures } from "../figures.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { HttpClient } from "../load/http.ts"
import { costOf, takeTurns } from "../load/rounds.ts"
import { connectTalkers } from "../load/sockets.ts"
import type { Ask } from "../load/streams.ts"
import { runTurns } from "../load/turns.ts"
import { childrenOf, openSockets } from "../machine/process-cost.ts"
import { type BenchRedis, startRedis } from "../machine/redis.ts"
import { medians, series } from "../metrics.ts"
import type { Server, Subject } from "../servers/server.ts"
import { newTalker } from "../servers/sign-in.ts"
import { startEngine } from "../servers/start-servers.ts"
import { ratioOfRounds } from "../statistics.ts"
import { figuresOf, pacedPlan, pacedRounds } from "./paced.ts"

/** One engine without Redis, one with it, two that share a database and Redis, and one of two workers. */
interface Nodes {
  redis: BenchRedis
  alone: Server
  shared: Server
  first: Server
  second: Server
  workers: Server
}

const warmUpTurns = 8

export const nodes: Scenario = {
  name: "nodes",
  description:
    "Redis on and off; one process, two, and two workers of one; readers on the writer's node and on the other",
  needs: ["server", "redis"],
  async run(bench, stack) {
    const redis = await startRedis(stack)
    const env = { REDIS_URL: redis.url }
    const alone = await startEngine(stack, bench)
    const shared = await startEngine(stack, bench, { env })
    const first = await startEngine(stack, bench, { env })
    const second = await startEngine(stack, bench, { env, place: first.place! })
    const workers = await startEngine(stack, bench, { env, workers: 2 })
    const all = { redis, alone, shared, first, second, workers }
    const turns = await measureTurns(bench, all)
    const tokens = await measureTokens(bench, all)
    const perTurn = turns.rounds["cpu_us_per_turn"]!
    const perToken = tokens.rounds["cpu_us_per_token"]!
    return {
      figures: {
        setting: { ...mapKeys(turns.setting, "turns_"), ...mapKeys(tokens.setting, "tokens_") },
        metrics: { ...turns.metrics, ...tokens.metrics },
        rounds: { ...turns.rounds, ...tokens.rounds },
      },
      ratios: {
        redis_turn: ratioOfRounds(perTurn["redis"]!, perTurn["no_redis"]!),
        two_processes_turn: ratioOfRounds(perTurn["two"]!, perTurn["no_redis"]!),
        two_workers_turn: ratioOfRounds(perTurn["workers"]!, perTurn["no_redis"]!),
        redis_token: ratioOfRounds(perToken["redis"]!, perToken["no_redis"]!),
        remote_token: ratioOfRounds(perToken["other_node"]!, perToken["no_redis"]!),
      },
    }
  },
}

const mapKeys = <Value>(all: Record<string, Value>, prefix: string): Record<string, Value> =>
  Object.fromEntries(Object.entries(all).map(([name, value]) => [`${prefix}${name}`, value]))

const sumOf = (name: string, parts: readonly Pick<Subject, "cpuMicros">[]): Subject => ({
  name,
  cpuMicros: () => parts.reduce((sum, part) => sum + part.cpuMicros(), 0),
})

/** Burst turns, each socket answered by the node that it is on; the engines' CPU alone, Redis's beside it. */
async function measureTurns(bench: Bench, nodes: Nodes): Promise<ScenarioFigures> {
  const { redis, alone, shared, first, second, workers } = nodes
  const { sizes, database, say } = bench
  const [sockets, turns] = [sizes.scaled(50), sizes.scaled(20)]
  const half = Math.ceil(sockets / 2)
  const subjects: (Subject & { sockets: ChatSocket[] })[] = [
    { ...sumOf("no_redis", [alone]), sockets: await connectTalkers(alone, sockets) },
    { ...sumOf("redis", [shared]), sockets: await connectTalkers(shared, sockets) },
    {
      ...sumOf("two", [first, second]),
      sockets: [...(await connectTalkers(first, half)), ...(await connectTalkers(second, sockets - half))],
    },
    { ...sumOf("workers", [workers]), sockets: await connectTalkers(workers, sockets) },
  ]
  expectSpread(workers, sockets)
  const run = (subject: (typeof subjects)[number], label: string, count: number) =>
    runTurns(`nodes, ${subject.name}`, subject.sockets, label, { turns: count, tokens: sizes.tokens })
  for (const subject of subjects) await run(subject, "warm-up", warmUpTurns)
  const rounds = await takeTurns(subjects, sizes.rounds, async (subject, number) => {
    say(`nodes: turns, round ${number} of ${sizes.rounds}, ${subject.name}`)
    const redisBefore = redis.cpuMicros()
    const cost = await costOf(subject, database, () => run(subject, `round ${number}`, turns))
    return { ...cost, redisMicros: redis.cpuMicros() - redisBefore }
  })
  for (const { sockets: opened } of subjects) await Promise.all(opened.map((socket) => socket.close()))
  const count = sockets * turns
  const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / count)
  return {
    setting: { sockets, turns, tokens: sizes.tokens, rounds: sizes.rounds },
    metrics: {
      turns_per_second: medians(series(rounds, ({ seconds }) => count / seconds)),
      cpu_us_per_turn: medians(cpu),
      database_us_per_turn: medians(series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / count)),
      redis_us_per_turn: medians(series(rounds, ({ redisMicros }) => redisMicros / count)),
    },
    rounds: { cpu_us_per_turn: cpu },
  }
}

/** @throws Error when one worker has hardly any of the sockets, so that the figures would be of the other */
function expectSpread({ pid }: Server, sockets: number): void {
  const counts = childrenOf(pid).map(openSockets)
  if (counts.length === 2 && Math.min(...counts) > sockets / 4) return
  throw new Error(`the workers have ${counts.join(" and ")} sockets`)
}

interface Place {
  name: string
  writer: Server
  reader: Server
  parts: Pick<Subject, "cpuMicros">[]
}

/** Paced replies to messages that were sent over HTTP, read on a socket; of all processes together, Redis counted in. */
async function measureTokens(bench: Bench, { redis, alone, shared, first, second }: Nodes): Promise<ScenarioFigures> {
  const streams = bench.sizes.scaled(100)
  const client = new HttpClient()
  const places: Place[] = [
    { name: "no_redis", writer: alone, reader: alone, parts: [alone] },
    { name: "redis", writer: shared, reader: shared, parts: [shared, redis] },
    { name: "writers_node", writer: first, reader: first, parts: [first, second, redis] },
    { name: "other_node", writer: first, reader: second, parts: [first, second, redis] },
  ]
  const subjects: (Subject & { streams: Ask[] })[] = []
  for (const { name, writer, reader, parts } of places) {
    const opened = Array.from({ length: streams }, () => readerOf(client, writer, reader))
    subjects.push({ ...sumOf(name, parts), streams: await Promise.all(opened) })
  }
  const plan = pacedPlan(bench)
  const rounds = await pacedRounds(bench, "nodes", subjects, (subject) => subject.streams, plan)
  client.close()
  const { metrics, ...rest } = figuresOf({ streams, ...plan }, rounds)
  const { cpu_us_per_token, token_ms } = metrics
  return { ...rest, metrics: { cpu_us_per_token: cpu_us_per_token!, token_ms: token_ms! } }
}

/** A user whose messages go to one node, and who reads on another. */
async function readerOf(client: HttpClient, writer: Server, reader: Server): Promise<Ask> {
  const user = await newTalker(reader)
  const socket = await reader.connect({ user })
  const url = `${writer.baseUrl}/conversations/${socket.greeting.conversationId}/messages`
  return async (question) => {
    const answer = socket.expect(question)
    const sent = client.call(url, { user, body: { id: randomUUID(), content: question.text } })
    await Promise.all([answer, sent])
    return answer
  }
}
