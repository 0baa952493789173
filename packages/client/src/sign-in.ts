import type { PageConfig } from "@grizz/protocol"
import { callOpenly, type Fetch, type RequestOptions } from "./http.ts"

/** What an app needs to know of the engine before anyone has signed in. @throws GrizzError */
export function appConfig(url: string, { signal }: RequestOptions = {}): Promise<PageConfig> {
  return callOpenly(engineAt(url), "GET /app/config", { signal })
}

/** A token of development sign-in, and whose it is: with that id the same user can be signed in again. */
export interface DevelopmentToken {
  access_token: string
  user_id: string
}

/** A token for a new user, or for the one named; only where the engine offers development sign-in. @throws GrizzError */
export function developmentToken(
  url: string,
  userId?: string,
  { signal }: RequestOptions = {},
): Promise<DevelopmentToken> {
  const body = userId === undefined ? {} : { user_id: userId }
  return callOpenly(engineAt(url), "POST /dev/token", { body, signal })
}

/** @param fetch the platform's when left out */
export function engineAt(url: string, fetch: Fetch = (...call) => globalThis.fetch(...call)) {
  return { url: url.replace(/\/+$/, ""), fetch }
}
