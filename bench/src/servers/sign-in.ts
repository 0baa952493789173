import { createHmac, randomUUID } from "node:crypto"

/** The secret that the servers under test are started with. */
export const jwtSecret = "a secret of the bench, long enough for HS256"

export interface User {
  id: string
  /** Valid for an hour, signed as Supabase's legacy secret signs. */
  token: string
}

export function newUser(): User {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const id = randomUUID()
  const claims = { sub: id, aud: "authenticated", role: "authenticated", iat: nowSeconds, exp: nowSeconds + 3600 }
  const signed = `${base64({ alg: "HS256", typ: "JWT" })}.${base64(claims)}`
  return { id, token: `${signed}.${createHmac("sha256", jwtSecret).update(signed).digest("base64url")}` }
}

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/**
 * Whoever is to take turns: they are made without what was said in earlier ones, since what recall costs grows with what is
 * found, and has figures of its own. @throws Error where the engine refuses
 */
export async function newTalker({ baseUrl, remembers }: { baseUrl: string; remembers: boolean }): Promise<User> {
  const user = newUser()
  if (remembers) await pauseMemory(baseUrl, user)
  return user
}

async function pauseMemory(baseUrl: string, { token }: User): Promise<void> {
  const response = await fetch(`${baseUrl}/memories/settings`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ paused: true }),
  })
  if (!response.ok) throw new Error(`the engine does not pause a memory: ${response.status} ${await response.text()}`)
  await response.body?.cancel()
}
