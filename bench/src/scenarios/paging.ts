import type { Bench, Scenario } from "../bench.ts"
import type { Outcome } from "../figures.ts"
import { HttpClient } from "../load/http.ts"
import { type Cost, costOf, type Rounds, takeTurns } from "../load/rounds.ts"
import { fillConversation } from "../machine/fill.ts"
import { medians, pooled, series } from "../metrics.ts"
import type { Server } from "../servers/server.ts"
import { newUser, type User } from "../servers/sign-in.ts"
import { startEngine, startRelay } from "../servers/start-servers.ts"
import { median, ratioOfRounds, round, spread } from "../statistics.ts"

const pageLimit = 50

interface Page {
  data: { position: number }[]
  next_cursor: string | null
}

interface Round extends Cost {
  pageMs: number[]
}

export const paging: Scenario = {
  name: "paging",
  description: "history of 20,000 messages read page by page, from the newest to the first",
  needs: ["server"],
  async run(bench, stack) {
    const { sizes, say } = bench
    const messages = Math.max(200, sizes.scaled(20_000))
    const engine = await startEngine(stack, bench)
    const relay = await startRelay(stack, bench)
    const user = newUser()
    const socket = await engine.connect({ user })
    const { conversationId } = socket.greeting
    await socket.close()
    say(`paging: ${messages} messages`)
    await fillConversation(engine.place!, { conversationId, userId: user.id, messages })
    const pages = Math.ceil(messages / pageLimit)
    const history = { path: `/conversations/${conversationId}/messages?limit=${pageLimit}`, user, messages }
    const warmUp = await readHistory(bench, engine, history)
    const floor = () => readFloor(bench, relay, pages, warmUp.bytesPerPage)
    await floor()
    const subjects = [
      { name: "engine", run: () => readHistory(bench, engine, history) },
      { name: "relay", run: floor },
    ]
    const rounds = await takeTurns(subjects, sizes.rounds, ({ name, run }, number) => {
      say(`paging: round ${number} of ${sizes.rounds}, ${name}`)
      return run()
    })
    return outcomeOf({ messages, pages, bytesPerPage: warmUp.bytesPerPage, rounds: sizes.rounds }, rounds)
  },
}

interface Reading {
  messages: number
  pages: number
  bytesPerPage: number
  rounds: number
}

function outcomeOf({ messages, pages, bytesPerPage, rounds: count }: Reading, rounds: Rounds<Round>): Outcome {
  const cpu = series(rounds, ({ cpuMicros }) => cpuMicros / pages)
  const database = series(rounds, ({ databaseMicros }) => databaseMicros && databaseMicros / pages)
  delete database["relay"]
  const tenth = Math.ceil(pages / 10)
  return {
    figures: {
      setting: { messages, page: pageLimit, bytes_per_page: bytesPerPage, rounds: count },
      metrics: {
        cpu_us_per_page: medians(cpu),
        database_us_per_page: medians(database),
        page_ms: pooled(rounds, (all) => spread(all.flatMap(({ pageMs }) => pageMs))),
        first_tenth_ms: pooled(rounds, (all) => spread(all.flatMap(({ pageMs }) => pageMs.slice(0, tenth)))),
        last_tenth_ms: pooled(rounds, (all) => spread(all.flatMap(({ pageMs }) => pageMs.slice(-tenth)))),
      },
      rounds: { cpu_us_per_page: cpu },
    },
    ratios: {
      page: ratioOfRounds(cpu["engine"]!, cpu["relay"]!),
      page_oldest_to_newest: oldestToNewest(rounds.get("engine")!, tenth),
    },
  }
}

/** Wall time of a page among the oldest messages ÷ that of one among the newest. */
function oldestToNewest(rounds: Round[], tenth: number): number {
  const [newest, oldest] = [
    rounds.map(({ pageMs }) => median(pageMs.slice(0, tenth))),
    rounds.map(({ pageMs }) => median(pageMs.slice(-tenth))),
  ]
  return round(ratioOfRounds(oldest, newest), 3)
}

async function readHistory(
  { database }: Bench,
  engine: Server,
  { path, user, messages }: { path: string; user: User; messages: number },
): Promise<Round & { bytesPerPage: number }> {
  const client = new HttpClient()
  const pageMs: number[] = []
  let bytes = 0
  const cost = await costOf(engine, database, async () => {
    let expected = messages - 1
    for (let before: string | null = ""; before !== null; ) {
      const cursor = before === "" ? "" : `&before=${encodeURIComponent(before)}`
      const { body, ms } = await client.call(`${engine.baseUrl}${path}${cursor}`, { user })
      const page: Page = JSON.parse(body)
      for (const { position } of page.data.toReversed()) {
        if (position !== expected--) throw new Error(`the history has position ${position} out of its place`)
      }
      pageMs.push(ms)
      bytes += body.length
      before = page.next_cursor
    }
    if (expected !== -1) throw new Error(`${expected + 1} messages are missing from the history`)
  })
  client.close()
  return { ...cost, pageMs, bytesPerPage: Math.round(bytes / pageMs.length) }
}

async function readFloor({ database }: Bench, relay: Server, pages: number, bytes: number): Promise<Round> {
  const client = new HttpClient()
  const pageMs: number[] = []
  const cost = await costOf(relay, database, async () => {
    for (let page = 0; page < pages; page++) {
      pageMs.push((await client.call(`${relay.baseUrl}/?bytes=${bytes}`)).ms)
    }
  })
  client.close()
  return { ...cost, pageMs }
}
