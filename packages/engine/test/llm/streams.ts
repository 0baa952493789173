import { EventEmitter, once } from "node:events"
import { type ModelClient, type ModelRun, runModel } from "../support/model-run.ts"

/** Steps of the timer in the longest hold. */
export const stepsPerHold = 6

/** The timer of the holds, which ticks when the test says so. */
export class ManualTimer {
  /** In ms, of each start. */
  readonly intervals: number[] = []
  #tick: () => void = () => undefined

  readonly every = (intervalMs: number, tick: () => void) => {
    this.intervals.push(intervalMs)
    this.#tick = tick
    return () => (this.#tick = () => undefined)
  }

  /** As long as the longest hold takes. */
  passHold(): void {
    for (let step = 0; step < stepsPerHold; step++) this.step()
  }

  step(): void {
    this.#tick()
  }
}

export interface Stream {
  pieces: string[]
  /** Resolves when the text so far is this long. */
  heard(length: number): Promise<void>
  abort: AbortController
  run: Promise<ModelRun>
}

/** One call, whose text can be awaited. */
export function startStream(llm: ModelClient): Stream {
  const pieces: string[] = []
  const abort = new AbortController()
  const news = new EventEmitter()
  const run = runModel(llm, {
    signal: abort.signal,
    onText: (piece) => {
      pieces.push(piece)
      news.emit("text")
    },
  })
  const heard = async (least: number) => {
    while (pieces.join("").length < least) await once(news, "text")
  }
  return { pieces, heard, abort, run }
}
