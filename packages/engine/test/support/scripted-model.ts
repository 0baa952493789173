import type { OfflineScript, OfflineStep } from "../../src/llm/offline-model.ts"

/** A model that says only what the test lets it say, and tells what it was asked. */
export class ScriptedModel {
  readonly #steps: OfflineStep[] = []
  #wake = Promise.withResolvers<void>()
  /** Contents of the last request's messages, without the system prompt. */
  asked: string[] = []
  /** Aborted when the engine hung up on the last request. */
  signal: AbortSignal = new AbortController().signal

  /** Gives these steps to the running request, or to the next one. */
  say(...steps: (OfflineStep | string)[]): void {
    this.#steps.push(...steps.map((step) => (typeof step === "string" ? { text: step } : step)))
    this.#wake.resolve()
  }

  finish(): void {
    this.say({ finish: "stop" })
  }

  readonly script: OfflineScript = (request) => {
    this.asked = request.messages.filter(({ role }) => role !== "system").map(({ content }) => content)
    this.signal = request.signal
    return this.#answer(request.signal)
  }

  async *#answer(signal: AbortSignal): AsyncGenerator<OfflineStep> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
    while (!signal.aborted) {
      const step = this.#steps.shift()
      if (step === undefined) {
        await Promise.race([this.#wake.promise, aborted])
        this.#wake = Promise.withResolvers()
        continue
      }
      yield step
      if ("finish" in step || "cut" in step || "status" in step) return
    }
  }
}
