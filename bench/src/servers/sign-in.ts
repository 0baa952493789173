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
