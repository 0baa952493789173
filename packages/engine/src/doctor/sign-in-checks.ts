import * as z from "zod"
import type { AuthConfig } from "../core/config.ts"
import { type Finding, fail, ok, reasonOf, warn } from "./finding.ts"

const name = "sign-in"
const timeoutMs = 5000
const keySet = z.object({ keys: z.array(z.object({ kty: z.string(), alg: z.string().optional() })) })

/** Whether tokens of the project's users can be verified. */
export async function signInFindings(config: AuthConfig): Promise<Finding[]> {
  if (config.kind === "development") {
    const sentence = "Sign-in is for development: whoever reaches the engine is whoever they say."
    return [warn(name, sentence, "set SUPABASE_URL for production")]
  }
  if (config.url === null) return [ok(name, "Tokens are verified with the legacy secret alone.")]
  const hasSecret = config.jwtSecret !== null
  try {
    const url = `${config.url}/auth/v1/.well-known/jwks.json`
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    if (!response.ok) return [fail(name, `The key set answers with status ${response.status}.`, "check SUPABASE_URL")]
    return [judge(keySet.safeParse(await response.json()), hasSecret)]
  } catch (error) {
    return [fail(name, `The project's keys cannot be had: ${reasonOf(error)}.`, "check SUPABASE_URL and the network")]
  }
}

function judge(parsed: ReturnType<typeof keySet.safeParse>, hasSecret: boolean): Finding {
  if (!parsed.success) return fail(name, "What answers is no key set.", "check SUPABASE_URL")
  const usable = parsed.data.keys.filter(({ kty }) => kty === "EC" || kty === "RSA").length
  if (usable > 0)
    return ok(name, `The project publishes ${usable} key${usable === 1 ? "" : "s"} to verify tokens with.`)
  if (hasSecret) return ok(name, "The project publishes no key yet; tokens are verified with the legacy secret.")
  const remedy = "set SUPABASE_JWT_SECRET, or move the project to asymmetric signing keys"
  return fail(name, "The project publishes no key, so no token can be verified.", remedy)
}
