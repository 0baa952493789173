import * as fc from "fast-check"
import { expect, test } from "vitest"
import { readCompactToken } from "./compact-token.ts"

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
const valid = `${encode({ alg: "HS256", typ: "JWT", kid: "k1" })}.${encode({ sub: "x" })}.c2ln`

test("a well-formed token is read", () => {
  expect(readCompactToken(valid)).toEqual({
    text: valid,
    alg: "HS256",
    signedPart: valid.slice(0, valid.lastIndexOf(".")),
    payload: encode({ sub: "x" }),
    signature: Buffer.from("sig"),
  })
  expect(readCompactToken(`${encode({ alg: "ES256" })}.e30.c2ln`)).toMatchObject({ alg: "ES256", payload: "e30" })
})

const [header = "", payload = ""] = valid.split(".")

test.each([
  ["nothing", ""],
  ["one part", "abc"],
  ["two parts", `${header}.${payload}`],
  ["four parts", `${valid}.c2ln`],
  ["five parts, as an encrypted token has", `${header}.a2V5.aXY.Y2lwaGVy.dGFn`],
  ["an empty signature", `${header}.${payload}.`],
  ["an empty payload", `${header}..c2ln`],
  ["an empty header", `.${payload}.c2ln`],
  ["leading white space", ` ${valid}`],
  ["trailing white space", `${valid}\n`],
  ["inner white space", valid.replace(".", ". ")],
  ["padding", `${valid}=`],
  ["the alphabet of base64", `${header}.${payload}.a+b/`],
  ["bits that no canonical encoding has", `${header}.${payload}.c2l`.replace(/l$/, "m")],
  ["a length that base64url cannot have", `${header}.${payload}.c2lnA`],
  ["a full-width dot", valid.replace(".", "\uff0e")],
  ["a NUL", `${valid}\0`],
  ["a scheme before it", `Bearer ${valid}`],
  ["a header that is no JSON", `${Buffer.from("{alg").toString("base64url")}.e30.c2ln`],
  ["a header that is no UTF-8", `${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.e30.c2ln`],
  ["a header that is an array", `${encode(["HS256"])}.e30.c2ln`],
  ["a header that is null", `${encode(null)}.e30.c2ln`],
  ["a header without an algorithm", `${encode({ typ: "JWT" })}.e30.c2ln`],
  ["an algorithm that is no string", `${encode({ alg: ["HS256"] })}.e30.c2ln`],
  ["an inherited algorithm", `${Buffer.from('{"__proto__":{"alg":"HS256"}}').toString("base64url")}.e30.c2ln`],
  ["a key id that is no string", `${encode({ alg: "ES256", kid: 1 })}.e30.c2ln`],
  ["another type", `${encode({ alg: "HS256", typ: "at+jwt" })}.e30.c2ln`],
  ["a type that is no string", `${encode({ alg: "HS256", typ: ["JWT"] })}.e30.c2ln`],
  ["jwk", `${encode({ alg: "ES256", jwk: { kty: "EC" } })}.e30.c2ln`],
  ["jku", `${encode({ alg: "ES256", jku: "https://evil.example/jwks" })}.e30.c2ln`],
  ["x5u", `${encode({ alg: "RS256", x5u: "https://evil.example/x5u" })}.e30.c2ln`],
  ["x5c", `${encode({ alg: "RS256", x5c: ["AA"] })}.e30.c2ln`],
  ["crit", `${encode({ alg: "ES256", crit: ["b64"], b64: true })}.e30.c2ln`],
  ["crit that is null", `${encode({ alg: "ES256", crit: null })}.e30.c2ln`],
  ["enc", `${encode({ alg: "dir", enc: "A256GCM" })}.e30.c2ln`],
  ["more than 8 KiB", `${header}.${"A".repeat(8192)}.c2ln`],
])("a token with %s is refused", (_, token) => {
  expect(() => readCompactToken(token)).toThrow(expect.objectContaining({ code: "unauthenticated" }))
})

test("whatever is refused is refused as unauthenticated, and not repeated", () => {
  const character = fc.constantFrom(".", "=", " ", "\n", "-", "_", "+", "/", "a", "Z", "0", "\0", "é", "\ud800")
  const mutated = fc
    .tuple(fc.integer({ min: 0, max: valid.length }), character)
    .map(([at, piece]) => valid.slice(0, at) + piece + valid.slice(at))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: character }), mutated), (token) => {
      const refusal = refusalOf(token)
      expect(refusal === null || (refusal.code === "unauthenticated" && !refusal.message.includes(valid))).toBe(true)
    }),
    { numRuns: 3000 },
  )
})

function refusalOf(token: string): { code: unknown; message: string } | null {
  try {
    readCompactToken(token)
    return null
  } catch (error) {
    if (error instanceof Error && "code" in error) return { code: error.code, message: error.message }
    throw error
  }
}
