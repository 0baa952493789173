import type { Credentials } from "./credentials.ts"
import { errorOfResponse, GrizzError } from "./grizz-error.ts"
import type { RestAnswer, RestCalls } from "./rest-calls.ts"

/** What every call takes: the signal ends it, and it rejects with the signal's reason. */
export interface RequestOptions {
  signal?: AbortSignal | undefined
}

/** The part of the standard `fetch` that the SDK uses. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface HttpOptions {
  /** Without a slash at its end. */
  url: string
  fetch: Fetch
}

/** What any call may be given: names in its path are looked up here too. */
interface AnyCall extends RequestOptions {
  query?: object
  body?: object
  /** Asks for events instead of JSON. */
  accept?: "text/event-stream"
}

/** What a call takes. It may be left out where nothing in it is needed. */
export type CallOptions<Name extends keyof RestCalls> = Omit<RestCalls[Name], "answer"> & RequestOptions
export type CallArguments<Name extends keyof RestCalls> =
  RequestOptions extends CallOptions<Name> ? [options?: CallOptions<Name>] : [options: CallOptions<Name>]

/** HTTP with a bearer token; one 401 is answered with a new token, the second is the caller's. */
export class HttpEngine {
  readonly #http: HttpOptions
  readonly #credentials: Credentials

  constructor(http: HttpOptions, credentials: Credentials) {
    this.#http = http
    this.#credentials = credentials
  }

  /** @throws GrizzError; the reason of the signal when that is aborted */
  async call<Name extends keyof RestCalls>(name: Name, ...[options]: CallArguments<Name>): Promise<RestAnswer<Name>> {
    return read(await this.open(name, options ?? {}))
  }

  /** The answer as it comes, once it is known to be a success. @throws as `call` */
  async open(name: string, call: AnyCall): Promise<Response> {
    const token = await this.#credentials.get()
    let response = await request(this.#http, name, call, token)
    if (response.status === 401) {
      response = await request(this.#http, name, call, await this.#credentials.renew(token))
    }
    if (!response.ok) throw await errorOfResponse(response)
    return response
  }
}

/** One call without sign-in. @throws GrizzError */
export async function callOpenly<Answer>(http: HttpOptions, name: string, call: AnyCall = {}): Promise<Answer> {
  const response = await request(http, name, call, null)
  if (!response.ok) throw await errorOfResponse(response)
  return read<Answer>(response)
}

/** @param name method and path, such as `GET /conversations/{id}` */
async function request(http: HttpOptions, name: string, call: AnyCall, token: string | null): Promise<Response> {
  const { accept = "application/json", body, query, signal } = call
  const headers: Record<string, string> = { accept }
  if (token !== null) headers["authorization"] = `Bearer ${token}`
  if (body !== undefined) headers["content-type"] = "application/json"
  const [method = "", path = ""] = name.split(" ")
  const filled = path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(Reflect.get(call, key)))
  const init = { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null }
  try {
    return await http.fetch(http.url + filled + queryString(query), init)
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new GrizzError("network", "The engine could not be reached.", { cause: error })
  }
}

/** Absent values are left out. By hand: the URL classes of React Native are incomplete. */
export function queryString(query: object = {}): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`
}

async function read<Answer>(response: Response): Promise<Answer> {
  const text = await response.text()
  try {
    // The engine validates its answers against the schemas that these types are made from.
    const body: Answer = text === "" ? undefined : JSON.parse(text)
    return body
  } catch (cause) {
    throw new GrizzError("network", "The answer is not JSON: is this the engine's address?", { cause })
  }
}
