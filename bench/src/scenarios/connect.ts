import type { Scenario } from "../bench.ts"
import { type Cost, costOf, type Rounds, takeTurns } from "../load/rounds.ts"
import { closeAll, connectAll } from "../load/sockets.ts"
import { mapValues, medians, series } from "../metrics.ts"
import type { ConnectOptions, Server } from "../servers/server.ts"
import { newUser } from "../servers/sign-in.ts"
import { startServers } from "../servers/start-servers.ts"
import { ratioOfRounds } from "../statistics.ts"

export const connect: Scenario = {
  name: "connect",
  description: "sockets that connect to a conversation they have: sign-in and owner check",
  isQuick: true,
  needs: [],
  async run(bench, stack) {
    const { sizes, database, say } = bench
    const { all } = await startServers(stack, bench)
    const count = sizes.scaled(500)
    const places = new Map<Server, ConnectOptions[]>()
    for (const server of all) places.set(server, await conversations(server, count))
    const connectTo = (server: Server) => connectAll(server, count, (number) => places.get(server)![number]!)
    for (const server of all) await closeAll(await connectTo(server))
    const rounds = await takeTurns(all, sizes.rounds, async (server, number) => {
      say(`connect: round ${number} of ${sizes.rounds}, ${server.name}`)
      const opened: Awaited<ReturnType<typeof connectTo>> = []
      const cost = await costOf(server, database, async () => opened.push(...(await connectTo(server))))
      await closeAll(opened)
      return cost
    })
    return outcomeOf(count, sizes.rounds, rounds)
  },
}

/** As many users of the server, each with the conversation that it has already. */
async function conversations(server: Server, count: number): Promise<ConnectOptions[]> {
  const users = Array.from({ length: count }, newUser)
  const sockets = await connectAll(server, count, (number) => ({ user: users[number]! }))
  await closeAll(sockets)
  const hasConversations = server.place !== null
  return users.map((user, number) => ({
    user,
    ...(hasConversations && { conversationId: sockets[number]!.greeting.conversationId }),
  }))
}

function outcomeOf(count: number, roundCount: number, rounds: Rounds<Cost>) {
  const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / count)
  const database = series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / count)
  delete database["relay"]
  const naive = cpu["naive"]
  return {
    figures: {
      setting: { sockets: count, rounds: roundCount },
      metrics: {
        cpu_us_per_connect: medians(cpu),
        // What sign-in and owner check cost beside the upgrade itself.
        added_us_per_connect: medians(addedTo(cpu["relay"]!, cpu)),
        database_us_per_connect: medians(database),
      },
      rounds: { cpu_us_per_connect: cpu },
    },
    ratios: {
      connect: ratioOfRounds(cpu["engine"]!, cpu["relay"]!),
      ...(naive && { connect_naive: ratioOfRounds(naive, cpu["relay"]!) }),
    },
  }
}

function addedTo(floor: readonly number[], all: Record<string, number[]>): Record<string, number[]> {
  const { relay: _, ...others } = all
  return mapValues(others, (values) => values.map((value, at) => value - floor[at]!))
}
