import { question } from "../model/question.ts"
import type { BenchDatabase } from "../machine/database.ts"
import { type StatementCounts } from "../machine/statement-count.ts"
import type { Server } from "../servers/server.ts"
import type { ChatSocket } from "./chat-socket.ts"
import { inBatches } from "./sockets.ts"

export interface TurnsPlan {
  /** Of each socket. */
  turns: number
  /** Length of a reply. */
  tokens: number
}

/** Closed loop: each socket asks again as soon as it was answered, and the model answers at once. */
export async function runTurns(
  subject: string,
  sockets: readonly ChatSocket[],
  label: string,
  { turns, tokens }: TurnsPlan,
): Promise<void> {
  await inBatches(sockets.length, sockets.length, async (number) => {
    for (let turn = 0; turn < turns; turn++) {
      await sockets[number]!.ask(question(`${subject}, ${label}, socket ${number}, turn ${turn}`, tokens, "burst"))
    }
  })
}

export interface RoundTrips {
  perTurn: number
  statements: Record<string, number>
}

/** The statements of `turns` turns; null for a server without a database, or where nobody can tell. */
export async function countRoundTrips(
  database: BenchDatabase,
  { place }: Server,
  turns: number,
  work: () => Promise<void>,
): Promise<RoundTrips | null> {
  const counts: StatementCounts | null = place === null ? null : await database.countStatements(place, work)
  if (counts === null) return null
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return { perTurn: total / turns, statements: Object.fromEntries(counts) }
}
