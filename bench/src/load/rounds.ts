import type { BenchDatabase } from "../machine/database.ts"
import type { Subject } from "../servers/server.ts"

/** What one round cost. */
export interface Cost {
  cpuMicros: number
  /** Of the whole database; null where that is part of the engine's process. */
  databaseMicros: number | null
  seconds: number
}

/** Each subject's rounds, in their order. */
export type Rounds<Round> = Map<string, Round[]>

/**
 * The subjects take turns, so that the machine's other guests fall on all of them alike, and each begins a round as often
 * as the others.
 * @param run number is from 1
 */
export async function takeTurns<One extends { name: string }, Round>(
  subjects: readonly One[],
  rounds: number,
  run: (subject: One, number: number) => Promise<Round>,
): Promise<Rounds<Round>> {
  const results: Rounds<Round> = new Map(subjects.map(({ name }) => [name, []]))
  for (let number = 1; number <= rounds; number++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const subject = subjects[(turn + number - 1) % subjects.length]!
      results.get(subject.name)!.push(await run(subject, number))
    }
  }
  return results
}

/** What `work` costs a subject, and the database. */
export async function costOf(subject: Subject, database: BenchDatabase, work: () => Promise<unknown>): Promise<Cost> {
  const startMs = performance.now()
  const cpuBefore = subject.cpuMicros()
  const databaseBefore = database.cpuMicros()
  await work()
  const databaseAfter = database.cpuMicros()
  return {
    cpuMicros: subject.cpuMicros() - cpuBefore,
    databaseMicros: databaseBefore === null || databaseAfter === null ? null : databaseAfter - databaseBefore,
    seconds: (performance.now() - startMs) / 1000,
  }
}
