import { setTimeout as timer } from "node:timers/promises"
import type { LlmClient, ModelRequest, ModelResult } from "../ports.ts"
import { ModelFailure } from "./model-failure.ts"

export interface RetryOptions {
  /** Calls in all, the first one counted in; at least 1. */
  attempts: number
  /** Longest wait before the second call, in ms; it doubles with each call, up to `maxDelayMs`. */
  delayMs: number
  maxDelayMs: number
  /** A provider that asks for a longer wait than this, in ms, is not waited for. 20,000 by default. */
  maxRetryAfterMs?: number
  /** For the log and the bill: told of each call that is made again, before its wait. */
  onRetry?: (retry: ModelRetry) => void
  /** From 0 to 1: spreads the waits, so that calls that failed together do not come back together. */
  random?: () => number
  /** Rejects when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

export interface ModelRetry {
  /** The call that failed, from 1. */
  attempt: number
  delayMs: number
  failure: ModelFailure
}

const maxRetryAfterMsDefault = 20_000

/** Retries until the first text arrives; after that a retry would repeat what the user has already read. */
export function withRetry(llm: LlmClient, options: RetryOptions): LlmClient {
  const wait = options.wait ?? ((ms: number, signal: AbortSignal) => timer(ms, undefined, { signal }))

  async function stream(request: ModelRequest): Promise<ModelResult> {
    let hasText = false
    const watched: ModelRequest = {
      ...request,
      onText: (text) => {
        hasText = true
        // From now on there is nothing to watch: it would be a step of the way of every token.
        watched.onText = request.onText
        request.onText(text)
      },
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await llm.stream(watched)
      } catch (error) {
        const delayMs = hasText || attempt >= options.attempts ? null : retryDelayMs(error, attempt, options)
        if (delayMs === null || !(error instanceof ModelFailure)) throw error
        request.signal.throwIfAborted()
        options.onRetry?.({ attempt, delayMs, failure: error })
        await waitUnlessAborted(wait, delayMs, request.signal)
      }
    }
  }

  return { stream }
}

/** How long to wait before another call, in ms; null when there is to be none. */
function retryDelayMs(error: unknown, attempt: number, options: RetryOptions): number | null {
  if (!(error instanceof ModelFailure) || !error.transient) return null
  const longestMs = Math.min(options.maxDelayMs, options.delayMs * 2 ** (attempt - 1))
  const jitteredMs = (options.random ?? Math.random)() * longestMs
  const askedMs = error.retryAfterMs ?? 0
  if (askedMs > (options.maxRetryAfterMs ?? maxRetryAfterMsDefault)) return null
  // On top of what was asked for: all that were refused together were told the same time.
  return askedMs + jitteredMs
}

async function waitUnlessAborted(
  wait: (ms: number, signal: AbortSignal) => Promise<unknown>,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await wait(ms, signal)
  } catch (error) {
    // The timer's own AbortError hides why; the port promises the signal's reason.
    signal.throwIfAborted()
    throw error
  }
}
