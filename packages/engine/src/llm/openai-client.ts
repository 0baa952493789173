import { Pool } from "undici"
import { type Clock, systemClock } from "../core/clock.ts"
import type { LlmClient, ModelRequest, ModelResult } from "../ports.ts"
import { CompletionCall, type CompletionCallOptions, type ModelTimeouts } from "./completion-call.ts"
import { FloodBrake, type FloodBrakeOptions } from "./flood-brake.ts"
import { ModelConnections } from "./model-connections.ts"
import { ReadHold, type ReadHoldOptions } from "./read-hold.ts"

export interface OpenAiClientOptions {
  /** Of any OpenAI-compatible endpoint, with its version: `https://api.openai.com/v1`. A query is kept. */
  baseUrl: string
  /** Undefined for an endpoint that wants none. */
  apiKey: string | undefined
  model: string
  timeouts: ModelTimeouts
  /** Longest answer, in bytes of UTF-8; a longer one fails. 1 MiB by default. */
  maxReplyBytes?: number
  /**
   * How long text that has arrived may be left unread, in whole ms, once many answers come in at once; with few of them,
   * and up to the first text of each, nothing is. 0 holds nothing ever. 60 by default.
   */
  maxHoldMs?: number
  /** The timer of the holds. Default: the process's. */
  every?: ReadHoldOptions["every"]
  /** Timer and clock of what keeps floods back. Default: the process's. */
  brake?: FloodBrakeOptions
  clock?: Clock
}

export interface ClosableLlmClient extends LlmClient {
  /** Ends the connections, and with them the calls that still run. */
  close(): Promise<void>
}

const maxReplyBytesDefault = 1024 * 1024
const maxHoldMsDefault = 60
/** A hold takes at most this share of the idle limit, so that text which is there in time is read in time. */
const holdShareOfIdle = 0.1
/** How long an idle connection is kept, in ms, where the server does not say: a chat's pauses are longer than undici's 4 s. */
const keepAliveTimeout = 30_000

/**
 * A model behind an OpenAI-compatible endpoint, over pooled connections.
 * @throws Error in one sentence when the URL or the key cannot be used
 */
export function openaiClient(options: OpenAiClientOptions): ClosableLlmClient {
  const url = endpointOf(options.baseUrl)
  const headers = headersOf(options.apiKey)
  const { connectMs, idleMs } = options.timeouts
  const maxMs = Math.min(options.maxHoldMs ?? maxHoldMsDefault, Math.floor(idleMs * holdShareOfIdle))
  // The call's own limits count; the connections' lets go of one that nobody waits for any more.
  const connections = new ModelConnections(
    new ReadHold({ maxMs, every: options.every }),
    new FloodBrake(options.brake ?? {}),
    connectMs,
  )
  const pool = new Pool(url.origin, { allowH2: false, keepAliveTimeout, connect: connections.connect })
  const callOptions: CompletionCallOptions = {
    model: options.model,
    timeouts: options.timeouts,
    maxReplyBytes: options.maxReplyBytes ?? maxReplyBytesDefault,
    clock: options.clock ?? systemClock,
    reads: connections,
  }

  function stream(request: ModelRequest): Promise<ModelResult> {
    return new Promise((resolve, reject) => {
      request.signal.throwIfAborted()
      const body = bodyOf(options.model, request)
      const call = new CompletionCall(request, callOptions, (outcome) => {
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- an abort's reason need not be an Error
        if (!outcome.ok) reject(outcome.error)
        else resolve(outcome.result)
      })
      try {
        pool.dispatch(
          { method: "POST", path: url.pathname + url.search, headers, body, headersTimeout: 0, bodyTimeout: 0 },
          call,
        )
      } catch (error) {
        call.onResponseError(null, error instanceof Error ? error : new Error("dispatch failed"))
      }
    })
  }

  return { stream, close: () => pool.destroy() }
}

function bodyOf(model: string, request: ModelRequest): string {
  return JSON.stringify({
    model,
    messages: request.messages,
    stream: true,
    stream_options: { include_usage: true },
  })
}

function endpointOf(baseUrl: string): URL {
  if (!URL.canParse(baseUrl)) throw new Error("The model's base URL is no URL.")
  const url = new URL(baseUrl)
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new Error("The model's base URL must begin with https:// or http://.")
  }
  if (url.username !== "" || url.password !== "") {
    throw new Error("The model's base URL must not contain a user name or password.")
  }
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/chat/completions`
  return url
}

function headersOf(apiKey: string | undefined): Record<string, string> {
  const headers = { "content-type": "application/json", accept: "text/event-stream" }
  if (apiKey === undefined) return headers
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new Error("The model's API key must be visible ASCII without spaces.")
  return { ...headers, authorization: `Bearer ${apiKey}` }
}
