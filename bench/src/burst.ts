import type { ChatSocket } from "./chat-socket.ts"
import type { BenchDatabase, StatementCounts } from "./database.ts"
import { question } from "./question.ts"
import type { Server, Servers } from "./servers.ts"
import { connectAll } from "./sockets.ts"
import { median, round } from "./statistics.ts"

export interface BurstPlan {
  sockets: number
  /** Per socket and round. */
  turns: number
  rounds: number
  /** Length of a reply. */
  tokens: number
}

export interface BurstFigures extends BurstPlan {
  engine: BurstCost & { database_us_per_turn: number | null; database_rounds: number[]; round_trips: RoundTrips | null }
  relay: BurstCost
  ratio: number
}

interface BurstCost {
  /** The median of the rounds. */
  cpu_us_per_turn: number
  cpu_us_per_token: number
  turns_per_second: number
  /** CPU per turn of each round. */
  rounds: number[]
}

interface RoundTrips {
  per_turn: number
  /** Times each statement ran in `turns` turns; what a node does every second is in it, too. */
  turns: number
  statements: Record<string, number>
}

interface Round {
  cpuMicros: number
  databaseMicros: number | null
  seconds: number
}

/** Turns of each socket before anything is measured: until its context is full, and the code is compiled. */
const warmUpTurns = 8
const countedTurns = 4

/** Closed loop: each socket asks again as soon as it was answered, and the model answers at once. */
export async function measureBurst(
  { engine, relay }: Servers,
  database: BenchDatabase,
  plan: BurstPlan,
  say: (progress: string) => void,
): Promise<BurstFigures> {
  const clients = new Map<Server, ChatSocket[]>()
  for (const server of [engine, relay]) clients.set(server, await connectAll(server, plan.sockets))
  const run = (server: Server, label: string, turns: number) =>
    runTurns(server, clients.get(server)!, label, { turns, tokens: plan.tokens })
  say("burst: warm-up")
  for (const server of [engine, relay]) await run(server, "warm-up", warmUpTurns)
  const statements = await database.countStatements(() => run(engine, "counted", countedTurns))
  const rounds = new Map<Server, Round[]>([
    [engine, []],
    [relay, []],
  ])
  for (let number = 1; number <= plan.rounds; number++) {
    say(`burst: round ${number} of ${plan.rounds}`)
    for (const server of [engine, relay]) {
      rounds.get(server)!.push(await measured(server, database, () => run(server, `round ${number}`, plan.turns)))
    }
  }
  for (const sockets of clients.values()) await Promise.all(sockets.map((socket) => socket.close()))
  return figuresOf(plan, rounds.get(engine)!, rounds.get(relay)!, statements)
}

async function runTurns(
  server: Server,
  sockets: ChatSocket[],
  label: string,
  { turns, tokens }: { turns: number; tokens: number },
): Promise<void> {
  const client = async (socket: ChatSocket, number: number) => {
    for (let turn = 0; turn < turns; turn++) {
      await socket.ask(question(`${server.name}, ${label}, socket ${number}, turn ${turn}`, tokens, "burst"))
    }
  }
  await Promise.all(sockets.map(client))
}

async function measured(server: Server, database: BenchDatabase, work: () => Promise<void>): Promise<Round> {
  const startMs = performance.now()
  const cpuBefore = server.cpuMicros()
  const databaseBefore = database.cpuMicros()
  await work()
  const databaseAfter = database.cpuMicros()
  return {
    cpuMicros: server.cpuMicros() - cpuBefore,
    databaseMicros: databaseBefore === null || databaseAfter === null ? null : databaseAfter - databaseBefore,
    seconds: (performance.now() - startMs) / 1000,
  }
}

function figuresOf(plan: BurstPlan, engine: Round[], relay: Round[], statements: StatementCounts | null): BurstFigures {
  const turns = plan.sockets * plan.turns
  const database = engine.flatMap(({ databaseMicros }) => (databaseMicros === null ? [] : [databaseMicros / turns]))
  return {
    ...plan,
    engine: {
      ...costOf(engine, turns, plan.tokens),
      database_us_per_turn: database.length === 0 ? null : round(median(database)),
      database_rounds: database.map((micros) => round(micros)),
      round_trips: statements === null ? null : roundTripsOf(statements, plan.sockets * countedTurns),
    },
    relay: costOf(relay, turns, plan.tokens),
    ratio: round(median(engine.map(({ cpuMicros }, at) => cpuMicros / relay[at]!.cpuMicros)), 3),
  }
}

function costOf(rounds: Round[], turns: number, tokens: number): BurstCost {
  const perTurn = rounds.map(({ cpuMicros }) => cpuMicros / turns)
  return {
    cpu_us_per_turn: round(median(perTurn)),
    cpu_us_per_token: round(median(perTurn) / tokens, 2),
    turns_per_second: round(median(rounds.map(({ seconds }) => turns / seconds))),
    rounds: perTurn.map((micros) => round(micros)),
  }
}

function roundTripsOf(statements: StatementCounts, turns: number): RoundTrips {
  const total = [...statements.values()].reduce((sum, count) => sum + count, 0)
  return { per_turn: round(total / turns, 2), turns, statements: Object.fromEntries(statements) }
}
