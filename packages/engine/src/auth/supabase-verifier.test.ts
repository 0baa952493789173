import { createHmac } from "node:crypto"
import {
  type CryptoKey,
  CompactEncrypt,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type KeyServer, startKeyServer } from "../../test/support/key-server.ts"
import type { TokenVerifier } from "../ports.ts"
import { jwksVerifier } from "./jwks-verifier.ts"
import { RemoteKeySet } from "./remote-key-set.ts"
import { supabaseVerifier } from "./supabase-verifier.ts"

interface SigningKey {
  alg: string
  privateKey: CryptoKey
  publicKey: CryptoKey
  jwk: JWK
}

const secret = "a legacy secret of more than thirty-two bytes"
const userId = "0190b0f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
const nowMs = Date.UTC(2026, 0, 1)
const clock = { now: () => nowMs }
const refused = expect.objectContaining({ code: "unauthenticated" })

let server: KeyServer
let keys: Record<"es256" | "rs256" | "es384" | "ps256" | "stranger", SigningKey>
let verifier: TokenVerifier

beforeAll(async () => {
  server = await startKeyServer()
  keys = {
    es256: await makeKey("ES256", "es256"),
    rs256: await makeKey("RS256", "rs256"),
    es384: await makeKey("ES384", "es384"),
    ps256: await makeKey("PS256", "ps256"),
    stranger: await makeKey("ES256", "es256"),
  }
  server.publish([keys.es256.jwk, keys.rs256.jwk, keys.es384.jwk, keys.ps256.jwk])
})
afterAll(() => server.close())
beforeEach(() => {
  verifier = supabaseVerifier({ url: server.url, jwtSecret: secret, audience: "authenticated" }, clock)
})

async function makeKey(alg: string, kid: string): Promise<SigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true })
  return { alg, ...pair, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" } }
}

function claims(changed: JWTPayload = {}): JWTPayload {
  const exp = nowMs / 1000 + 3600
  return { iss: `${server.url}/auth/v1`, aud: "authenticated", exp, sub: userId, role: "authenticated", ...changed }
}

function sign(key: SigningKey, changed: JWTPayload = {}, header: object = {}): Promise<string> {
  const protectedHeader = {
    alg: key.alg,
    typ: "JWT",
    ...(key.jwk.kid !== undefined && { kid: key.jwk.kid }),
    ...header,
  }
  return new SignJWT(claims(changed)).setProtectedHeader(protectedHeader).sign(key.privateKey)
}

/** Signed by hand with HMAC, whatever the header says. */
function signWithSecret(header: object, hmacKey: string | Buffer, changed: JWTPayload = {}): string {
  const input = [header, claims(changed)]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".")
  return `${input}.${createHmac("sha256", hmacKey).update(input).digest("base64url")}`
}

function outcome(token: string, by = verifier): Promise<unknown> {
  return by.verify(token).catch((error: unknown) => error)
}

describe("a signed-in user's token is accepted", () => {
  test.each(["es256", "rs256"] as const)("when the published key %s signed it", async (name) => {
    expect(await verifier.verify(await sign(keys[name]))).toEqual({ userId, expiresAt: nowMs + 3_600_000 })
  })

  test("when the legacy secret signed it", async () => {
    expect(await verifier.verify(signWithSecret({ alg: "HS256", typ: "JWT" }, secret))).toMatchObject({ userId })
  })

  test("by the secret without asking for keys, and by keys asking once", async () => {
    const before = server.requests.length
    await verifier.verify(signWithSecret({ alg: "HS256" }, secret))
    expect(server.requests).toHaveLength(before)
    const tokens = await Promise.all(Array.from({ length: 20 }, () => sign(keys.es256)))
    await Promise.all(tokens.map((token) => verifier.verify(token)))
    expect(server.requests.slice(before)).toEqual(["/auth/v1/.well-known/jwks.json"])
  })
})

describe("a token is refused", () => {
  test("when a key of the same name signed it that is not the issuer's", async () => {
    expect(await outcome(await sign(keys.stranger))).toEqual(refused)
  })

  test.each(["es384", "ps256"] as const)("when %s signed it, though published", async (name) => {
    expect(await outcome(await sign(keys[name]))).toEqual(refused)
  })

  test("before any key is asked for, by the algorithm alone", async () => {
    const before = server.requests.length
    const published = new RemoteKeySet({ url: `${server.url}/auth/v1/.well-known/jwks.json`, clock })
    const alone = jwksVerifier({ keys: published, issuer: undefined, audience: "authenticated", clock })
    for (const token of [await sign(keys.es384), signWithSecret({ alg: "HS256" }, secret)]) {
      expect(await outcome(token, alone)).toEqual(refused)
    }
    expect(server.requests).toHaveLength(before)
  })

  test("when a published key was taken for a secret (key confusion)", async () => {
    const spki = await exportSPKI(keys.rs256.publicKey)
    const spellings = [
      spki,
      spki.trim(),
      JSON.stringify(keys.rs256.jwk),
      Buffer.from(keys.rs256.jwk.n ?? "", "base64url"),
    ]
    for (const spelling of spellings) {
      for (const alg of ["HS256", "RS256", "ES256"]) {
        expect(await outcome(signWithSecret({ alg, kid: "rs256" }, spelling))).toEqual(refused)
      }
    }
  })

  test("when the secret signed it under the name of a published key's algorithm", async () => {
    expect(await outcome(signWithSecret({ alg: "ES256", kid: "es256" }, secret))).toEqual(refused)
  })

  test("when one algorithm's key is named for another's signature", async () => {
    expect(await outcome(await sign(keys.es256, {}, { kid: "rs256" }))).toEqual(refused)
    expect(await outcome(await sign(keys.rs256, {}, { kid: "es256" }))).toEqual(refused)
  })

  test("when its signature is missing, or its algorithm is none", async () => {
    const [header, payload] = (await sign(keys.es256)).split(".")
    expect(await outcome(`${header}.${payload}.`)).toEqual(refused)
    for (const alg of ["none", "None"]) {
      const bare = Buffer.from(JSON.stringify({ alg, kid: "es256" })).toString("base64url")
      expect(await outcome(`${bare}.${payload}.`)).toEqual(refused)
      expect(await outcome(`${bare}.${payload}.c2ln`)).toEqual(refused)
    }
  })

  test("when its header brings the key, or the address of one", async () => {
    const before = server.requests.length
    const own = { ...keys.stranger, jwk: { ...keys.stranger.jwk, kid: "new" } }
    for (const header of [
      { jwk: keys.stranger.jwk },
      { jku: `${server.url}/auth/v1/.well-known/jwks.json` },
      { x5u: `${server.url}/x5u` },
      { x5c: ["AA=="] },
    ]) {
      expect(await outcome(await sign(own, {}, header))).toEqual(refused)
    }
    expect(server.requests).toHaveLength(before)
  })

  test("when it is encrypted", async () => {
    const text = new TextEncoder().encode(JSON.stringify(claims()))
    const jwe = await new CompactEncrypt(text)
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(new TextEncoder().encode(secret).slice(0, 32))
    expect(await outcome(jwe)).toEqual(refused)
  })

  test.each([
    ["another project's issuer", { iss: "https://other.supabase.co/auth/v1" }],
    ["another audience", { aud: "other" }],
    ["an end that is over", { exp: nowMs / 1000 - 10 }],
    ["a begin that is to come", { nbf: nowMs / 1000 + 11 }],
    ["a user that is no UUID", { sub: "me" }],
    ["the role service_role", { role: "service_role" }],
    ["the role anon", { role: "anon" }],
  ])("with %s, whichever key signed it", async (_, changed) => {
    expect(await outcome(await sign(keys.es256, changed))).toEqual(refused)
    expect(await outcome(await sign(keys.rs256, changed))).toEqual(refused)
    expect(await outcome(signWithSecret({ alg: "HS256" }, secret, changed))).toEqual(refused)
  })
})

describe("a source of keys that is not configured", () => {
  test("accepts nothing: no secret, no HS256", async () => {
    const published = supabaseVerifier({ url: server.url, jwtSecret: null, audience: "authenticated" }, clock)
    expect(await outcome(signWithSecret({ alg: "HS256" }, secret), published)).toEqual(refused)
    expect(await outcome(signWithSecret({ alg: "HS256" }, ""), published)).toEqual(refused)
    expect(await outcome(await sign(keys.es256), published)).toMatchObject({ userId })
  })

  test("accepts nothing: no URL, no asymmetric key, and the issuer is not known", async () => {
    const legacy = supabaseVerifier({ url: null, jwtSecret: secret, audience: "authenticated" }, clock)
    expect(await outcome(await sign(keys.es256), legacy)).toEqual(refused)
    expect(await outcome(signWithSecret({ alg: "HS256" }, secret, { iss: "x" }), legacy)).toMatchObject({ userId })
  })
})

test("the audience is the configured one", async () => {
  const custom = supabaseVerifier({ url: server.url, jwtSecret: null, audience: "app" }, clock)
  expect(await outcome(await sign(keys.es256, { aud: ["app"] }), custom)).toMatchObject({ userId })
  expect(await outcome(await sign(keys.es256), custom)).toEqual(refused)
})

test("a token without a key id is verified where only one key can have signed it", async () => {
  server.publish([keys.es256.jwk, keys.rs256.jwk])
  const { kid: _, ...unnamed } = keys.es256.jwk
  expect(await outcome(await sign({ ...keys.es256, jwk: unnamed }))).toMatchObject({ userId })
})
