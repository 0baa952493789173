import { errorOfResponse, GrizzError } from "./grizz-error.ts"
import type { TokenProvider } from "./token-provider.ts"

export interface RequestOptions {
  signal?: AbortSignal | undefined
}

export interface HttpCall extends RequestOptions {
  method?: "GET" | "POST" | "PATCH" | "DELETE"
  /** Absent values are left out. */
  query?: Record<string, string | number | undefined>
  body?: unknown
}

/** JSON over HTTP with a bearer token; one 401 is answered with a new token, the second is the caller's. */
export class HttpEngine {
  readonly #url: string
  readonly #token: TokenProvider

  constructor(url: string, token: TokenProvider) {
    this.#url = url
    this.#token = token
  }

  /** @throws GrizzError */
  async call<Answer>(path: string, call: HttpCall = {}): Promise<Answer> {
    const token = await this.#token()
    const response = await fetchJson(this.#url, path, call, token)
    if (response.status !== 401) return read<Answer>(response)
    return read<Answer>(await fetchJson(this.#url, path, call, await this.#token(token)))
  }
}

/** One call without sign-in. @throws GrizzError */
export async function callOpenly<Answer>(url: string, path: string, call: HttpCall = {}): Promise<Answer> {
  return read<Answer>(await fetchJson(url, path, call, null))
}

async function fetchJson(url: string, path: string, call: HttpCall, token: string | null): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" }
  if (token !== null) headers["authorization"] = `Bearer ${token}`
  if (call.body !== undefined) headers["content-type"] = "application/json"
  try {
    return await fetch(url + path + queryString(call.query), {
      method: call.method ?? "GET",
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ?? null,
    })
  } catch (error) {
    if (call.signal?.aborted === true) throw error
    throw new GrizzError("network", "The engine could not be reached.", { cause: error })
  }
}

function queryString(query: HttpCall["query"] = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return search.size === 0 ? "" : `?${search}`
}

async function read<Answer>(response: Response): Promise<Answer> {
  if (!response.ok) throw await errorOfResponse(response)
  // The engine validates its answers against the schemas that these types are made from.
  const body: Answer = response.status === 204 ? undefined : await response.json().catch(notJson)
  return body
}

function notJson(cause: unknown): never {
  throw new GrizzError("network", "The answer is not JSON: is this the engine's address?", { cause })
}
