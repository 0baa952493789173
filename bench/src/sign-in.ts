import { createHmac, randomUUID } from "node:crypto"

/** The secret that the engine under test is started with. */
export const jwtSecret = "a secret of the bench, long enough for HS256"

/** A token of a new user, valid for an hour, as Supabase's legacy secret signs them. */
export function newUserToken(): string {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const claims = {
    sub: randomUUID(),
    aud: "authenticated",
    role: "authenticated",
    iat: nowSeconds,
    exp: nowSeconds + 3600,
  }
  const signed = `${base64({ alg: "HS256", typ: "JWT" })}.${base64(claims)}`
  return `${signed}.${createHmac("sha256", jwtSecret).update(signed).digest("base64url")}`
}

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
