import type { PageConfig } from "@grizz/protocol"
import { callOpenly, type RequestOptions } from "./http.ts"

/** What an app needs to know of the engine before anyone has signed in. @throws GrizzError */
export function appConfig(url: string, { signal }: RequestOptions = {}): Promise<PageConfig> {
  return callOpenly(url.replace(/\/+$/, ""), "/app/config", { signal })
}

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
  return callOpenly(url.replace(/\/+$/, ""), "/dev/token", { method: "POST", body, signal })
}
