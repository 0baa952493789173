import type { OfflineRequest, OfflineScript, OfflineStep } from "../../src/llm/offline-model.ts"

export interface AskedModel {
  /** The newest message of the request. */
  question: string
  /** How often this question was asked, this time counted in. */
  time: number
  /** Aborted when the engine hangs up. */
  signal: AbortSignal
}

/** A model that answers any number of conversations at once, each question as the test says. */
export class ModelByQuestion {
  readonly #answer: (asked: AskedModel) => ReturnType<OfflineScript>
  readonly #times = new Map<string, number>()

  constructor(answer: (asked: AskedModel) => AsyncIterable<OfflineStep> | Iterable<OfflineStep>) {
    this.#answer = answer
  }

  /** How often a question was asked. */
  times(question: string): number {
    return this.#times.get(question) ?? 0
  }

  readonly script: OfflineScript = ({ messages, signal }: OfflineRequest) => {
    const question = messages.at(-1)!.content
    const time = this.times(question) + 1
    this.#times.set(question, time)
    return this.#answer({ question, time, signal })
  }
}
