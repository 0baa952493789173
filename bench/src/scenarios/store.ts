import type { Scenario } from "../bench.ts"
import { costOf, takeTurns } from "../load/rounds.ts"
import { medians, series } from "../metrics.ts"
import { question } from "../model/question.ts"
import { ratioOfRounds } from "../statistics.ts"
import { type Driver, startDriver } from "../store/start-driver.ts"
import { storeKinds } from "../store/turn-store.ts"

export const store: Scenario = {
  name: "store",
  description: "the database's part of a turn alone, beside `pg` with two and with four statements",
  needs: ["server"],
  async run(bench, stack) {
    const { sizes, database, say } = bench
    const turns = sizes.scaled(2000)
    const atOnce = sizes.scaled(50)
    const answer = question("store", sizes.tokens, "burst").tokens.join("")
    const drivers: Driver[] = []
    for (const kind of storeKinds) drivers.push(await startDriver(stack, bench, kind))
    const run = (driver: Driver) => driver.run({ work: "turns", turns, atOnce, answer })
    for (const driver of drivers) await run(driver)
    const rounds = await takeTurns(drivers, sizes.rounds, (driver, number) => {
      say(`store: round ${number} of ${sizes.rounds}, ${driver.name}`)
      return costOf(driver, database, () => run(driver))
    })
    const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / turns)
    const databaseCpu = series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / turns)
    const total = series(rounds, (cost) => (cost.cpuMicros + (cost.databaseMicros ?? 0)) / turns)
    return {
      figures: {
        setting: { turns, at_once: atOnce, tokens: sizes.tokens, rounds: sizes.rounds },
        metrics: {
          cpu_us_per_turn: medians(cpu),
          database_us_per_turn: medians(databaseCpu),
          both_us_per_turn: medians(total),
        },
        rounds: { both_us_per_turn: total },
      },
      ratios: {
        store_turn: ratioOfRounds(total["engine"]!, total["pg_named_cte"]!),
        store_turn_four_statements: ratioOfRounds(total["pg_four_statements"]!, total["pg_named_cte"]!),
      },
    }
  },
}
