import type { Bench, Scenario } from "../bench.ts"
import type { ChatSocket } from "../load/chat-socket.ts"
import { costOf, takeTurns } from "../load/rounds.ts"
import { runTurns } from "../load/turns.ts"
import { fillConversation } from "../machine/fill.ts"
import { medians, series } from "../metrics.ts"
import type { Server } from "../servers/server.ts"
import { newTalker } from "../servers/sign-in.ts"
import { startEngine } from "../servers/start-servers.ts"
import { ratioOfRounds } from "../statistics.ts"

const fewMessages = 1000

interface History {
  name: string
  socket: ChatSocket
}

export const growth: Scenario = {
  name: "growth",
  description: "turns of a user with 1,000 messages and of one with a million, in one conversation each",
  needs: ["server"],
  async run(bench, stack) {
    const { sizes, say, database } = bench
    const engine = await startEngine(stack, bench)
    const manyMessages = Math.max(2 * fewMessages, sizes.scaled(sizes.isQuick ? 100_000 : 1_000_000))
    const turns = sizes.scaled(400)
    const few = await userWith(bench, engine, fewMessages, "few")
    const run = ({ name, socket }: History, label: string) =>
      runTurns(`growth, ${name}`, [socket], label, { turns, tokens: sizes.tokens })
    await run(few, "warm-up")
    say("growth: alone")
    // The same before the million is there: what the table's size itself costs.
    const alone = await takeTurns([{ ...few, name: "few_alone" }], sizes.rounds, (history, number) =>
      costOf(engine, database, () => run(history, `round ${number}`)),
    )
    say(`growth: ${manyMessages} messages`)
    const many = await userWith(bench, engine, manyMessages, "many")
    await run(many, "warm-up")
    const rounds = await takeTurns([few, many], sizes.rounds, (history, number) => {
      say(`growth: round ${number} of ${sizes.rounds}, ${history.name}`)
      return costOf(engine, database, () => run(history, `round ${number}`))
    })
    const all = new Map([...alone, ...rounds])
    const cpu = series(all, ({ cpuMicros }) => cpuMicros / turns)
    const databaseCpu = series(all, ({ databaseMicros }) => databaseMicros && databaseMicros / turns)
    const total = series(all, (cost) => (cost.cpuMicros + (cost.databaseMicros ?? 0)) / turns)
    return {
      figures: {
        setting: { few_messages: fewMessages, many_messages: manyMessages, turns, rounds: sizes.rounds },
        metrics: { cpu_us_per_turn: medians(cpu), database_us_per_turn: medians(databaseCpu) },
        rounds: { cpu_us_per_turn: cpu, database_us_per_turn: databaseCpu },
      },
      ratios: {
        growth_turn: ratioOfRounds(total["many"]!, total["few"]!),
        growth_turn_database: ratioOfRounds(databaseCpu["many"]!, databaseCpu["few"]!),
      },
    }
  },
}

async function userWith({ say }: Bench, engine: Server, messages: number, name: string): Promise<History> {
  const user = await newTalker(engine)
  const first = await engine.connect({ user })
  const { conversationId } = first.greeting
  await first.close()
  say(`growth: fills a conversation with ${messages} messages`)
  await fillConversation(engine.place!, { conversationId, userId: user.id, messages })
  return { name, socket: await engine.connect({ user }) }
}
