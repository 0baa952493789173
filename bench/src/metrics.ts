import type { Metric, Value } from "./figures.ts"
import type { Rounds } from "./load/rounds.ts"
import { median, round } from "./statistics.ts"

/** One figure of every round, by subject; a subject that has it in no round is left out. */
export function series<Round>(
  rounds: Rounds<Round>,
  value: (round: Round) => number | null,
  digits = 1,
): Record<string, number[]> {
  const all: Record<string, number[]> = {}
  for (const [subject, ofSubject] of rounds) {
    const values = ofSubject.map(value).filter((one) => one !== null)
    if (values.length > 0) all[subject] = values.map((one) => round(one, digits))
  }
  return all
}

/** The medians of such figures. */
export function medians(all: Record<string, number[]>, digits = 1): Metric {
  return mapValues(all, (values) => round(median(values), digits))
}

/** A figure of all the rounds of a subject together. */
export function pooled<Round>(rounds: Rounds<Round>, value: (rounds: Round[]) => Value): Metric {
  return Object.fromEntries([...rounds].map(([subject, ofSubject]) => [subject, value(ofSubject)]))
}

export function mapValues<From, To>(all: Record<string, From>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, change(value)]))
}
