import type { Scenario } from "../bench.ts"
import type { Outcome } from "../figures.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { type Cost, costOf, type Rounds, takeTurns } from "../load/rounds.ts"
import { closeAll, connectAll, connectTalkers } from "../load/sockets.ts"
import { countRoundTrips, type RoundTrips, runTurns } from "../load/turns.ts"
import { mapValues, medians, series } from "../metrics.ts"
import type { Server } from "../servers/server.ts"
import { startEngine, startServers } from "../servers/start-servers.ts"
import { ratioOfRounds, round } from "../statistics.ts"

/** Turns of each socket before anything is measured: until its context is full, and the code is compiled. */
const warmUpTurns = 8
const countedTurns = 4

export const burst: Scenario = {
  name: "burst",
  description: "50 sockets that ask again as soon as they are answered; the model answers at once",
  isQuick: true,
  needs: [],
  async run(bench, stack) {
    const { sizes, database, say } = bench
    const { all } = await startServers(stack, bench)
    // The turn of a user whose memory is paused is what the others' is compared with: they have none.
    const recalling = sizes.isQuick ? [] : [await startEngine(stack, bench, { name: "recalling" })]
    const servers = [...all, ...recalling]
    const plan = { sockets: sizes.scaled(50), turns: sizes.scaled(sizes.isQuick ? 10 : 20), tokens: sizes.tokens }
    // Short and many, so that a pair of them sees the machine at the same speed.
    const roundCount = 2 * sizes.rounds
    const clients = new Map<Server, ChatSocket[]>()
    for (const server of servers) {
      const connect = recalling.includes(server) ? connectAll : connectTalkers
      clients.set(server, await connect(server, plan.sockets))
    }
    const run = (server: Server, label: string, turns: number) =>
      runTurns(server.name, clients.get(server)!, label, { turns, tokens: plan.tokens })
    say("burst: warm-up")
    const trips: Record<string, RoundTrips> = {}
    for (const server of servers) {
      await run(server, "warm-up", warmUpTurns)
      const work = () => run(server, "counted", countedTurns)
      const counted = await countRoundTrips(database, server, plan.sockets * countedTurns, work)
      if (counted !== null) trips[server.name] = counted
    }
    const rounds = await takeTurns(servers, roundCount, (server, number) => {
      say(`burst: round ${number} of ${roundCount}, ${server.name}`)
      return costOf(server, database, () => run(server, `round ${number}`, plan.turns))
    })
    for (const sockets of clients.values()) await closeAll(sockets)
    return outcomeOf({ ...plan, rounds: roundCount }, rounds, trips)
  },
}

type Plan = { sockets: number; turns: number; rounds: number; tokens: number }

function outcomeOf(plan: Plan, rounds: Rounds<Cost>, trips: Record<string, RoundTrips>): Outcome {
  const turns = plan.sockets * plan.turns
  const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / turns)
  const database = series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / turns)
  // The relay has none: what the database does meanwhile is its own housekeeping.
  delete database["relay"]
  const rate = series(rounds, ({ seconds }) => turns / seconds)
  const turn = ratioOfRounds(cpu["engine"]!, cpu["relay"]!)
  const { naive, recalling } = cpu
  return {
    figures: {
      setting: plan,
      metrics: {
        cpu_us_per_turn: medians(cpu),
        cpu_us_per_token: medians(
          mapValues(cpu, (values) => values.map((micros) => micros / plan.tokens)),
          2,
        ),
        database_us_per_turn: medians(database),
        round_trips_per_turn: mapValues(trips, ({ perTurn }) => round(perTurn, 2)),
        turns_per_second: medians(rate),
      },
      rounds: { cpu_us_per_turn: cpu, database_us_per_turn: database },
      statements: mapValues(trips, ({ statements }) => statements),
    },
    ratios: {
      burst_turn: turn,
      ...(recalling && { burst_turn_recalling: ratioOfRounds(recalling, cpu["relay"]!) }),
      ...(naive && { burst_turn_naive: ratioOfRounds(naive, cpu["relay"]!) }),
    },
  }
}
