import { createHmac } from "node:crypto"
import { describe, expect, test } from "vitest"
import { hs256Verifier } from "./hs256-verifier.ts"

const secret = "a legacy secret of more than thirty-two bytes"
const nowMs = Date.UTC(2026, 0, 1)
const nowSeconds = nowMs / 1000
const issuer = "https://abc.supabase.co/auth/v1"
const userId = "0190b0f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
const verifier = hs256Verifier({ secret, issuer, audience: "authenticated", clock: { now: () => nowMs } })

const claims = { iss: issuer, aud: "authenticated", exp: nowSeconds + 3600, sub: userId, role: "authenticated" }

/** Signed by hand, so that nothing which `jose` would refuse to make is left out. */
function sign(payload: unknown, header: object = { alg: "HS256", typ: "JWT" }, key = secret, hash = "sha256"): string {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload)
  const input = [JSON.stringify(header), text].map((part) => Buffer.from(part).toString("base64url")).join(".")
  return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`
}

/** What came of it: the user, or the error. */
function outcome(token: string): Promise<unknown> {
  return verifier.verify(token).catch((error: unknown) => error)
}

const refused = expect.objectContaining({ name: "ChatError", code: "unauthenticated" })

describe("a token is accepted", () => {
  test("with all claims of a signed-in user, its id in lower case", async () => {
    expect(await verifier.verify(sign({ ...claims, sub: userId.toUpperCase() }))).toEqual({
      userId,
      expiresAt: (nowSeconds + 3600) * 1000,
    })
  })

  test.each([
    ["one of several audiences", { aud: ["other", "authenticated"] }],
    ["an end 9 s ago, within the leeway", { exp: nowSeconds - 9 }],
    ["a begin 10 s ahead, within the leeway", { nbf: nowSeconds + 10 }],
    ["claims that nobody knows", { session_id: "s", is_anonymous: true, app_metadata: { a: 1 } }],
    ["a fraction of a second", { exp: nowSeconds + 1.5 }],
  ])("with %s", async (_, changed) => {
    expect(await verifier.verify(sign({ ...claims, ...changed }))).toMatchObject({ userId })
  })

  test("without a type", async () => {
    expect(await verifier.verify(sign(claims, { alg: "HS256" }))).toMatchObject({ userId })
  })
})

describe("a token is refused", () => {
  test.each([
    ["no issuer", { iss: undefined }],
    ["another issuer", { iss: "https://evil.supabase.co/auth/v1" }],
    ["the issuer and a slash", { iss: `${issuer}/` }],
    ["the issuer of the project's API keys", { iss: "supabase" }],
    ["a list of issuers", { iss: [issuer] }],
    ["no audience", { aud: undefined }],
    ["another audience", { aud: "anon" }],
    ["other audiences", { aud: ["a", "b"] }],
    ["no audience at all", { aud: [] }],
    ["an audience that is an object", { aud: { authenticated: true } }],
    ["an audience of another case", { aud: "Authenticated" }],
    ["no end", { exp: undefined }],
    ["an end 10 s ago", { exp: nowSeconds - 10 }],
    ["an end long ago", { exp: 0 }],
    ["an end that is a string", { exp: String(nowSeconds + 3600) }],
    ["an end that is null", { exp: null }],
    ["an end beyond all dates", { exp: 1e300 }],
    ["an end that is an array", { exp: [nowSeconds + 3600] }],
    ["a begin 11 s ahead", { nbf: nowSeconds + 11 }],
    ["a begin that is a string", { nbf: "0" }],
    ["no user", { sub: undefined }],
    ["an empty user", { sub: "" }],
    ["a user that is no UUID", { sub: "me" }],
    ["a user in braces", { sub: `{${userId}}` }],
    ["a user and a line break", { sub: `${userId}\n` }],
    ["a list of users", { sub: [userId] }],
    ["no role", { role: undefined }],
    ["the role anon", { role: "anon" }],
    ["the role service_role", { role: "service_role" }],
    ["the role supabase_admin", { role: "supabase_admin" }],
    ["a list of roles", { role: ["authenticated"] }],
  ])("with %s", async (_, changed) => {
    expect(await outcome(sign({ ...claims, ...changed }))).toEqual(refused)
  })

  test("when it is one of the project's API keys", async () => {
    for (const role of ["anon", "service_role"]) {
      expect(
        await outcome(sign({ iss: "supabase", ref: "abc", role, iat: nowSeconds - 10, exp: nowSeconds + 315_360_000 })),
      ).toEqual(refused)
    }
  })

  test("when an infinite end is spelled in JSON", async () => {
    expect(await outcome(sign(JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999')))).toEqual(refused)
  })

  test.each(["[]", "null", '"text"', "1", "", "{", `${JSON.stringify(claims)}x`])(
    "when its claims are %j",
    async (text) => {
      expect(await outcome(sign(text))).toEqual(refused)
    },
  )

  test("when another secret signed it, or nothing did", async () => {
    expect(await outcome(sign(claims, { alg: "HS256" }, `${secret}.`))).toEqual(refused)
    expect(await outcome(sign(claims, { alg: "HS256" }, ""))).toEqual(refused)
    const [header, payload, signature = ""] = sign(claims).split(".")
    expect(await outcome(`${header}.${payload}.`)).toEqual(refused)
    expect(await outcome(`${header}.${payload}.${Buffer.alloc(32).toString("base64url")}`)).toEqual(refused)
    expect(await outcome(`${header}.${payload}.${signature.slice(0, 22)}`)).toEqual(refused)
    expect(await outcome(`${header}.${payload}.${signature}AA`)).toEqual(refused)
  })

  test("when one character of it is changed, wherever", async () => {
    const token = sign(claims)
    for (let at = 0; at < token.length; at += 1) {
      const other = token[at] === "A" ? "B" : "A"
      expect(await outcome(token.slice(0, at) + other + token.slice(at + 1))).toEqual(refused)
    }
  })

  test.each(["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "hs256", "HS256 ", "RS256", "ES256", "dir"])(
    "when its algorithm is %j, even if the signature is right",
    async (alg) => {
      expect(await outcome(sign(claims, { alg }))).toEqual(refused)
      const [header, payload] = sign(claims, { alg }).split(".")
      expect(await outcome(`${header}.${payload}.`)).toEqual(refused)
    },
  )

  test("when a stronger hash signed it", async () => {
    expect(await outcome(sign(claims, { alg: "HS384" }, secret, "sha384"))).toEqual(refused)
    expect(await outcome(sign(claims, { alg: "HS512" }, secret, "sha512"))).toEqual(refused)
  })

  test("when its header brings a key or a rule of its own", async () => {
    const brought = {
      jwk: { kty: "oct", k: "AA" },
      jku: "https://evil.example",
      x5u: "https://evil.example",
      crit: ["exp"],
      b64: false,
    }
    for (const [name, value] of Object.entries(brought))
      expect(await outcome(sign(claims, { alg: "HS256", [name]: value }))).toEqual(refused)
  })
})

test("a refusal says what was wrong, and nothing of the token", async () => {
  expect(await outcome(sign({ ...claims, exp: 1 }))).toHaveProperty("message", "The token has expired.")
  expect(await outcome(sign({ ...claims, aud: "s3cr3t" }))).toHaveProperty(
    "message",
    "The token's aud claim was refused.",
  )
  expect(await outcome(sign({ ...claims, role: "s3cr3t" }))).toHaveProperty(
    "message",
    "The token is not that of a signed-in user.",
  )
  expect(await outcome(sign({ ...claims, sub: "s3cr3t" }))).toHaveProperty(
    "message",
    "The token's sub claim is not a user's id.",
  )
  expect(await outcome(`${sign(claims)}AAAA`)).toHaveProperty("message", "The token's signature was refused.")
})

test("without a known issuer, the issuer is not looked at", async () => {
  const open = hs256Verifier({ secret, issuer: undefined, audience: "authenticated", clock: { now: () => nowMs } })
  expect(await open.verify(sign({ ...claims, iss: "anything" }))).toMatchObject({ userId })
})

test("a secret below 32 bytes is refused", () => {
  const options = { issuer, audience: "authenticated", clock: { now: () => nowMs } }
  expect(() => hs256Verifier({ ...options, secret: "x".repeat(31) })).toThrow(RangeError)
})
