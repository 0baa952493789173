import { toGrizzError } from "./grizz-error.ts"
import type { HttpEngine } from "./http.ts"
import type { Outbox } from "./outbox.ts"
import { isPassing } from "./reduce.ts"
import { isRequestCode } from "./request-code.ts"
import { say } from "./say.ts"
import { backoffMs, type Timing } from "./timing.ts"

export interface DeliveryOptions {
  outbox: Outbox
  http: HttpEngine
  timing: Timing
  random: () => number
  /** Whether somebody else sends what waits for this conversation. */
  isOpen: (conversationId: string) => boolean
  /** Whether anything of the client is in use; otherwise nothing is tried again. */
  isInUse: () => boolean
}

/** Sends what waits for conversations that are not open: of yesterday, or of another page of the app. */
export class Delivery {
  readonly #options: DeliveryOptions
  #isRunning = false
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    clearTimeout(this.#timer)
    const isDone = await this.#deliver()
    this.#isRunning = false
    if (isDone) this.#failures = 0
    else if (this.#options.isInUse()) this.#timer = setTimeout(() => void this.run(), this.#backoffMs())
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** False when the engine could not take everything now. */
  async #deliver(): Promise<boolean> {
    const { outbox, http, isOpen } = this.#options
    for (const kept of await outbox.read()) {
      const { id, content, metadata, conversationId } = kept
      if (kept.status === "failed" || conversationId === null || isOpen(conversationId)) continue
      try {
        if ((await say(http, conversationId, { id, content, metadata: metadata ?? undefined })) === null) return false
        outbox.forget(id)
      } catch (error) {
        const { code, message } = toGrizzError(error)
        if (!isRequestCode(code) || isPassing(code)) return false
        // Without its conversation there is nowhere to show it; otherwise it is shown there, with the reason.
        if (code === "not_found") outbox.forget(id)
        else outbox.keep({ ...kept, status: "failed", error: { code, message } })
      }
    }
    return true
  }

  #backoffMs(): number {
    return backoffMs(this.#failures++, this.#options.timing, this.#options.random)
  }
}
