import type { Bench, Scenario } from "../bench.ts"
import type { Outcome } from "../figures.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { type Cost, costOf, type Rounds, takeTurns } from "../load/rounds.ts"
import { closeAll, connectAll, inBatches } from "../load/sockets.ts"
import { countRoundTrips, type RoundTrips } from "../load/turns.ts"
import { medians, pooled, series } from "../metrics.ts"
import { question } from "../model/question.ts"
import type { ConnectOptions, Server } from "../servers/server.ts"
import { newUser } from "../servers/sign-in.ts"
import { startEngine, startRelay } from "../servers/start-servers.ts"
import { ratioOfRounds, round, spread } from "../statistics.ts"

/** What each socket missed is one turn of this length. */
const missedTokens = 50
const turnsAtOnce = 50

interface Storm extends Cost {
  /** From the moment when all of them connect until each of them has everything that it missed. */
  resumedMs: number[]
}

export const resume: Scenario = {
  name: "resume",
  description: "2,000 sockets that come back at once, each with its cursor, and read what they missed",
  needs: [],
  async run(bench, stack) {
    const count = bench.sizes.scaled(2000)
    const engine = await startEngine(stack, bench)
    const relay = await startRelay(stack, bench)
    bench.say(`resume: ${count} turns to miss`)
    const missed = await missedTurns(engine, count)
    const counted = await countRoundTrips(bench.database, engine, count, async () => {
      await storm(bench, engine, missed)
    })
    const floor: ConnectOptions[] = Array.from({ length: count }, () => ({}))
    const storms = await takeTurns([engine, relay], bench.sizes.rounds, (server, number) => {
      bench.say(`resume: storm ${number} of ${bench.sizes.rounds}, ${server.name}`)
      return storm(bench, server, server === engine ? missed : floor)
    })
    return outcomeOf({ count, rounds: bench.sizes.rounds }, storms, counted)
  },
}

function outcomeOf(
  { count, rounds }: { count: number; rounds: number },
  storms: Rounds<Storm>,
  counted: RoundTrips | null,
): Outcome {
  const cpu = series(storms, ({ cpuMicros }) => cpuMicros / count)
  const database = series(storms, ({ databaseMicros }) => databaseMicros && databaseMicros / count)
  delete database["relay"]
  return {
    figures: {
      setting: { sockets: count, missed_tokens: missedTokens, rounds },
      metrics: {
        cpu_us_per_socket: medians(cpu),
        database_us_per_socket: medians(database),
        round_trips_per_socket: counted === null ? {} : { engine: round(counted.perTurn, 2) },
        resumed_ms: pooled(storms, (all) => spread(all.flatMap(({ resumedMs }) => resumedMs))),
      },
      rounds: { cpu_us_per_socket: cpu },
      ...(counted && { statements: { engine: counted.statements } }),
    },
    ratios: { resume: ratioOfRounds(cpu["engine"]!, cpu["relay"]!) },
  }
}

/** Users that had a turn after the cursor they come back with. */
async function missedTurns(engine: Server, count: number): Promise<ConnectOptions[]> {
  const users = Array.from({ length: count }, newUser)
  const sockets = await connectAll(engine, count, (number) => ({ user: users[number]! }))
  const questions = users.map((_, number) => question(`resume, socket ${number}`, missedTokens, "burst"))
  await inBatches(count, turnsAtOnce, (number) => sockets[number]!.ask(questions[number]!))
  await closeAll(sockets)
  return users.map((user, number) => {
    const { conversationId, cursor } = sockets[number]!.greeting
    return { user, conversationId, after: cursor!, expected: questions[number]! }
  })
}

async function storm({ database }: Bench, server: Server, options: ConnectOptions[]): Promise<Storm> {
  const sockets: ChatSocket[] = []
  const resumedMs: number[] = []
  const startMs = performance.now()
  const come = async (one: ConnectOptions) => {
    const socket = await server.connect(one)
    sockets.push(socket)
    if (one.expected !== undefined) {
      if (socket.greeting.cursor !== one.after) throw new Error("a cursor was not honoured")
      await socket.expectedAnswer
    }
    resumedMs.push(performance.now() - startMs)
  }
  const cost = await costOf(server, database, () => Promise.all(options.map(come)))
  await Promise.all(sockets.map((socket) => socket.cut()))
  return { ...cost, resumedMs }
}
