import type { Spread } from "./statistics.ts"

/** One figure of one subject; null where it cannot be had, as the CPU of a database that is part of the engine. */
export type Value = number | Spread | null

/** A figure of each subject that was measured, by its name: `engine`, `relay`, `naive` and the like. */
export type Metric = Record<string, Value>

/** What one scenario found. */
export interface ScenarioFigures {
  /** How it was run. */
  setting: Record<string, number | string>
  /** The figures by their names, which end in their units. */
  metrics: Record<string, Metric>
  /** What the medians among the figures are of: the value of each round, by figure and subject. */
  rounds: Record<string, Record<string, number[]>>
  /** How often each statement ran, by subject; what a node does every second is in it, too. */
  statements?: Record<string, Record<string, number>>
}

export interface Outcome {
  figures: ScenarioFigures
  /** Engine ÷ bare relay where the name says nothing else. */
  ratios: Record<string, number>
}

/** What a run of the bench found; a scenario that did not run is missing. */
export interface Report {
  machine: Record<string, string | number>
  /** Null outside a git repository; ends in `+` where files differ from the commit. */
  commit: string | null
  figures: Record<string, ScenarioFigures>
  ratios: Record<string, number>
}
