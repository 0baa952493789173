import { createHash } from "node:crypto"
import { hostname, userInfo } from "node:os"
import { appConfig, developmentToken, GrizzError, type TokenProvider } from "@grizz/client"
import type { ChatOptions } from "./chat-options.ts"

/** The given token, or whatever the engine offers to developers. @throws Error with what is needed */
export async function signIn({ url, token }: ChatOptions): Promise<TokenProvider> {
  if (token !== undefined) return async () => token
  const { sign_in } = await appConfig(url).catch((error: unknown) => {
    const isAway = error instanceof GrizzError && ["network", "unavailable"].includes(error.code)
    if (!isAway) throw error
    throw new Error(`No engine answers at ${url}. Start one ("npx grizz start"), or say where it is with --url.`)
  })
  if (sign_in !== "development") {
    throw new Error("This engine has no sign-in for development: give the access token of a user in GRIZZ_TOKEN.")
  }
  let current: string | null = null
  return async (refused) => {
    if (current === null || current === refused) current = (await developmentToken(url, developerId())).access_token
    return current
  }
}

/** The same user each time that the same person on the same machine comes back. */
function developerId(): string {
  const hex = createHash("sha256").update(`grizz chat\0${hostname()}\0${userInfo().username}`).digest("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
