import type { Bench, Scenario } from "../bench.ts"
import { HttpClient } from "../load/http.ts"
import { type Cost, costOf, takeTurns } from "../load/rounds.ts"
import { medians, pooled, series } from "../metrics.ts"
import type { Server } from "../servers/server.ts"
import { newUser, type User } from "../servers/sign-in.ts"
import { startEngine, startRelay } from "../servers/start-servers.ts"
import { ratioOfRounds, spread } from "../statistics.ts"

interface Round extends Cost {
  answerMs: number[]
}

/** About what the engine answers. */
const answerBytes = 260

export const today: Scenario = {
  name: "today",
  description: "500 first calls of the day at once: of as many users, and of one",
  needs: [],
  async run(bench, stack) {
    const { sizes } = bench
    const count = sizes.scaled(500)
    const engine = await startEngine(stack, bench)
    const relay = await startRelay(stack, bench)
    const subjects = [
      { name: "engine", server: engine, callers: () => Array.from({ length: count }, newUser) },
      { name: "one_user", server: engine, callers: () => Array<User>(count).fill(newUser()) },
      { name: "relay", server: relay, callers: () => null },
    ]
    for (const { server, callers } of subjects) await callAll(bench, server, callers(), count)
    const rounds = await takeTurns(subjects, sizes.rounds, async (subject, number) => {
      bench.say(`today: round ${number} of ${sizes.rounds}, ${subject.name}`)
      return callAll(bench, subject.server, subject.callers(), count)
    })
    const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / count)
    const database = series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / count)
    delete database["relay"]
    return {
      figures: {
        setting: { calls: count, rounds: sizes.rounds },
        metrics: {
          cpu_us_per_call: medians(cpu),
          database_us_per_call: medians(database),
          answer_ms: pooled(rounds, (all) => spread(all.flatMap(({ answerMs }) => answerMs))),
        },
        rounds: { cpu_us_per_call: cpu },
      },
      ratios: { today_call: ratioOfRounds(cpu["engine"]!, cpu["relay"]!) },
    }
  },
}

/** `users` null: the floor, which answers as many bytes to whoever calls. */
async function callAll(bench: Bench, server: Server, users: User[] | null, count: number): Promise<Round> {
  const client = new HttpClient()
  const answers: { id: string; ms: number }[] = []
  const cost = await costOf(server, bench.database, () =>
    Promise.all(
      Array.from({ length: count }, async (_, number) => {
        const user = users?.[number]
        const path = users === null ? `/?bytes=${answerBytes}` : "/conversations/today?tz=Europe/Berlin"
        const { body, ms } = await client.call(`${server.baseUrl}${path}`, user && { user })
        answers.push({ id: users === null ? "" : idOf(body), ms })
      }),
    ),
  )
  client.close()
  if (users !== null) requireOneEach(new Set(users.map(({ id }) => id)).size, new Set(answers.map(({ id }) => id)).size)
  return { ...cost, answerMs: answers.map(({ ms }) => ms) }
}

function idOf(body: string): string {
  const { id }: { id: string } = JSON.parse(body)
  return id
}

function requireOneEach(users: number, conversations: number): void {
  if (users === conversations) return
  throw new Error(`${users} users have ${conversations} conversations of one day`)
}
