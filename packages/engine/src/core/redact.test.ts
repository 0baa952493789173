import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { redactorOf, redactText, redactUrl } from "./redact.ts"

const secret = "s3cr3tValue"

describe("a URL in a log", () => {
  test.each([
    "/ws/chat/today?token=§",
    "/ws/chat/today?tz=Europe/Berlin&token=§&after=c1",
    "/ws/chat/today?TOKEN=§",
    "/ws/chat/today?ToKeN=§",
    "/ws/chat/today?tok%65n=§",
    "/search?q=§",
    "/search?limit=5&q=§+and+more",
    "/memories?%71=§",
    "/ws/chat/today?%74%6F%6B%65%6E=§",
    "/ws/chat/today?%2574oken=§",
    "/ws/chat/today?token%3D§",
    "/ws/chat/today?token%253d§",
    "/ws/chat/today%3Ftoken=§",
    "/ws/chat/today?a=1%26token=§",
    "/ws/chat/today?a=1;token=§",
    "/ws/chat/today?token=x&token=§",
    "/ws/chat/today?token=§&token=x",
    "/ws/chat/today?token[]=§",
    "/ws/chat/today?user[token]=§",
    "/ws/chat/today?token[0][a]=§",
    "/ws/chat/today?token=x%26§",
    "/ws/chat/today?token=x;§",
    "/ws/chat/today?token=x#§",
    "/ws/chat/today?token=x?§",
    "/ws/chat/today?token=x=§",
    "/ws/chat/today?token=x%20§",
    "/ws/chat/today?token=x %0d%0a§",
    "/ws/chat/today?token =§",
    "/ws/chat/today?token+=§",
    "/ws/chat/today?+token=§",
    "/ws/chat/today?&&token=§",
    "/ws/chat/today??token=§",
    "/ws/chat/today?x&amp;token=§",
    "/ws/chat/today?%ff%zz&token=§",
    "/ws/chat/today?%zztoken=§",
    "/ws/chat/today?\ud800token=§",
    "/conversations/x/events?ticket=§",
    "/cb#access_token=§",
    "/cb?a=1#x&refresh_token=§",
    "/x?apikey=§",
    "/x?api_key=§",
    "/x?client_secret=§",
    "/x?password=§",
    "/x?Authorization=§",
    "//evil/?token=§",
    "https://user:§@example.com/x",
    "https://example.com:8000/x?id_token=§",
    `/x?%${"25".repeat(40)}74oken=§`,
    "token=§",
    "?token=§",
  ])("loses its secret: %s", (url) => {
    const redacted = redactUrl(url.replaceAll("§", secret))
    expect(redacted).not.toContain(secret)
    expect(redacted).toContain("[redacted]")
  })

  test("loses a JWT wherever it is, also as a path or a name", () => {
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    for (const url of [`/${jwt}`, `/x?${jwt}`, `/x?q=${jwt.replaceAll(".", "%2E")}`, `/x?a=1&${jwt}=2`]) {
      expect(redactUrl(url)).not.toMatch(/eyJ|c2lnbmF0dXJl/)
    }
  })

  test.each([
    "/",
    "",
    "*",
    "/health",
    "/ws/chat/today?tz=Europe%2FBerlin&after=AbC.12",
    "/conversations?limit=50&cursor=abc",
    "/x?%E2%82%AC=%zz&&a;b#c",
    "http://127.0.0.1:8000/docs",
  ])("without a secret stays as it is: %s", (url) => {
    expect(redactUrl(url)).toBe(url)
  })

  test("keeps what stands before and after the secret", () => {
    expect(redactUrl(`/ws/chat/today?tz=UTC&token=${secret}&after=c1`)).toBe(
      "/ws/chat/today?tz=UTC&token=[redacted]&after=c1",
    )
  })

  test("keeps no secret however the name is spelled and encoded", () => {
    const name = fc.constantFrom("token", "ticket", "access_token", "password")
    const spelled = name.chain((word) =>
      fc
        .array(fc.constantFrom("plain", "upper", "encoded", "twice"), {
          minLength: word.length,
          maxLength: word.length,
        })
        .map((ways) =>
          Array.from(word)
            .map((letter, index) => spell(letter, ways[index]))
            .join(""),
        ),
    )
    const noise = fc.string({
      unit: fc.constantFrom("a", "=", "&", "%", "%26", "?", "#", ";", "+", "/", "%3d"),
      maxLength: 12,
    })
    fc.assert(
      fc.property(noise, spelled, fc.constantFrom("=", "%3d", "%3D"), noise, (before, word, equals, after) => {
        const url = `/ws?${before}&${word}${equals}${secret}&${after}`
        expect(redactUrl(url)).not.toContain(secret)
      }),
      { numRuns: 2000 },
    )
  })

  test("of an attacker's making costs little", () => {
    const hostile = ["token", "eyJ", "a://", "postgres://a:", "%25", "bearer ", "&token[", '\\"token', "token= "]
    const startedMs = performance.now()
    for (const piece of hostile) redactUrl(piece.repeat(Math.ceil(16_384 / piece.length)))
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })
})

function spell(letter: string, way: string | undefined): string {
  const hex = letter.charCodeAt(0).toString(16)
  if (way === "upper") return letter.toUpperCase()
  if (way === "encoded") return `%${hex}`
  return way === "twice" ? `%25${hex}` : letter
}

describe("a text in a log", () => {
  test.each([
    "Authorization: Bearer §-0123456789",
    "authorization=§",
    "connect postgres://user:§@host:5432/db failed",
    "postgresql://user:p@§/x@host/db",
    "rediss://:§@host:6379",
    "host=db password=§ user=me",
    `{"access_token":"§","n":1}`,
    String.raw`{"body":"{\"access_token\":\"§\"}"}`,
    String.raw`{"password":"a\"§"}`,
    `{"messageToken": "§"}`,
    "Incorrect API key provided: sk-proj-§.",
    "sb_secret_§",
  ])("loses its secret: %s", (text) => {
    expect(redactText(text.replaceAll("§", secret))).not.toContain(secret)
  })

  test.each([
    `{"input_tokens":12,"output_tokens":3,"first_token_ms":120}`,
    "the first token came after 120 ms",
    "connect ECONNREFUSED 127.0.0.1:5432",
    "see https://example.com/a@b",
  ])("without a secret stays as it is: %s", (text) => {
    expect(redactText(text)).toBe(text)
  })

  test("that is a line of JSON stays JSON, with the same members", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom("token", "msg", "password", "url", "n"),
          fc.oneof(fc.string(), fc.integer(), dangerous()),
        ),
        (record) => {
          const redacted: unknown = JSON.parse(redactText(JSON.stringify(record)))
          expect(Object.keys(redacted ?? {})).toEqual(Object.keys(record))
        },
      ),
      { numRuns: 1000 },
    )
  })
})

function dangerous(): fc.Arbitrary<string> {
  const pieces = [
    "token=",
    '"',
    "\\",
    "Bearer ",
    "eyJhbGciOiJ",
    "postgres://u:",
    "@",
    '"token":"',
    " ",
    "sk-",
    "abcdefghijklmnop",
  ]
  return fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(""))
}

test("a known secret is found however it is quoted, and a short one is left to the patterns", () => {
  const redact = redactorOf(['correct "horse" battery', "postgres"])
  expect(redact(`a correct "horse" battery`)).toBe("a [redacted]")
  expect(redact(JSON.stringify({ a: 'correct "horse" battery' }))).toBe('{"a":"[redacted]"}')
  expect(redact(`/x?q=${encodeURIComponent('correct "horse" battery')}`)).toBe("/x?q=[redacted]")
  expect(redact("role postgres does not exist")).toBe("role postgres does not exist")
})
