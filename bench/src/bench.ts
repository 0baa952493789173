import type { Outcome } from "./figures.ts"
import type { BenchDatabase } from "./machine/database.ts"
import type { ModelServer } from "./model/start-model-server.ts"

/** How much is measured. */
export interface Sizes {
  /** Fewer figures, in less time. */
  isQuick: boolean
  /** Rounds of each subject. */
  rounds: number
  /** Deltas of a reply where the scenario does not say otherwise. */
  tokens: number
  /** A number of sockets, turns and the like that the scenario would have; smaller in trial runs, at least 1. */
  scaled: (count: number) => number
}

/** What every scenario has. */
export interface Bench {
  database: BenchDatabase
  model: ModelServer
  sizes: Sizes
  /** Tells whoever waits how far it is. */
  say: (progress: string) => void
}

export interface Scenario {
  name: string
  /** For `--help`. */
  description: string
  /** It is part of `--quick`. */
  isQuick?: boolean
  /** What it cannot do without. */
  needs: readonly ("server" | "redis")[]
  /** Whatever it starts is ended with `stack`. */
  run(bench: Bench, stack: AsyncDisposableStack): Promise<Outcome>
}
