import { providerErrorOf } from "./chat-chunk.ts"
import { failureOfStatus, failureOfStreamError, invalid, type ModelFailure } from "./model-failure.ts"
import { parseRetryAfter } from "./retry-after.ts"

const maxBytes = 64 * 1024

/** A response that is no event stream: an error of the provider's, or something that is no model at all. */
export class ResponseDocument {
  readonly #status: number
  readonly #retryAfterMs: number | undefined
  readonly #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(status: number, headers: Record<string, string | string[] | undefined>, nowMs: number) {
    this.#status = status
    this.#retryAfterMs = parseRetryAfter(single(headers["retry-after"]), single(headers["date"]), nowMs)
  }

  /** False when it is longer than anything that is worth reading. What is given stays the caller's, to be used again. */
  add(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length
    if (this.#bytes > maxBytes) return false
    this.#chunks.push(Uint8Array.from(chunk))
    return true
  }

  /** What it means, judged by as much of it as has come. */
  failure(): ModelFailure {
    const error = providerErrorOf(this.#json())
    if (this.#status !== 200) return failureOfStatus(this.#status, error, this.#retryAfterMs)
    return error === null ? invalid("it is no event stream") : failureOfStreamError(error)
  }

  #json(): unknown {
    try {
      return JSON.parse(Buffer.concat(this.#chunks).toString("utf8"))
    } catch {
      // A page, or half a body: the status says enough.
      return null
    }
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
