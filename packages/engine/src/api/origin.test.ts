import { describe, expect, test } from "vitest"
import { isOriginAllowed } from "./origin.ts"

const allowedOrigins = ["https://app.example.com", "http://localhost:3000", "capacitor://localhost"]

function allowed(origin: string | undefined, host: string | undefined, secure?: boolean): boolean {
  return isOriginAllowed({ origin, host, allowedOrigins, ...(secure !== undefined && { secure }) })
}

test("a client that sends no origin is native, and allowed", () => {
  expect(allowed(undefined, "engine.example.com")).toBe(true)
  expect(allowed(undefined, undefined)).toBe(true)
})

test.each(allowedOrigins)("%s is on the list, whatever the host", (origin) => {
  expect(allowed(origin, "engine.example.com")).toBe(true)
  expect(allowed(origin, undefined)).toBe(true)
})

test.each([
  "",
  "null",
  "*",
  "undefined",
  "app.example.com",
  "//app.example.com",
  "https://",
  "https://app.example.com/",
  "https://app.example.com/chat",
  "https://app.example.com?x",
  "https://app.example.com#x",
  "https://app.example.com.evil.example",
  "https://app.example.com.",
  "https://evil-app.example.com",
  "https://evil.app.example.com",
  "https://evilapp.example.com",
  "https://example.com",
  "https://app.example.comevil",
  "https://app.example.com:443",
  "https://app.example.com:8443",
  "https://app.example.com:80",
  "http://app.example.com",
  "HTTPS://app.example.com",
  "https://APP.example.com",
  "https://app.example.com@evil.example",
  "https://user@app.example.com",
  "https://user:pass@app.example.com",
  "https://evil.example#https://app.example.com",
  "https://evil.example?https://app.example.com",
  "https://evil.example\\@app.example.com",
  "https://app.example.com, https://evil.example",
  "https://app.example.com https://evil.example",
  " https://app.example.com",
  "https://app.example.com\n",
  "https://app.example%2ecom",
  "https://app\u3002example.com",
  "http://localhost:3001",
  "http://localhost",
  "http://127.0.0.1:3000",
  "capacitor://localhost:1",
  "file://",
  "data:text/html,x",
  "javascript:alert(1)",
  "chrome-extension://abcdef",
])("%j is on no list, and refused", (origin) => {
  expect(allowed(origin, "engine.example.com")).toBe(false)
})

describe("the server's own page", () => {
  test.each([
    ["http://127.0.0.1:8000", "127.0.0.1:8000"],
    ["http://localhost:8000", "LOCALHOST:8000"],
    ["http://[::1]:8000", "[::1]:8000"],
    ["http://engine.example.com", "engine.example.com"],
    ["http://engine.example.com", "engine.example.com:80"],
    // A proxy ended TLS: what reaches the engine is plain HTTP.
    ["https://engine.example.com", "engine.example.com"],
    ["https://engine.example.com", "engine.example.com:443"],
    ["https://engine.example.com:8443", "engine.example.com:8443"],
  ])("at %s is allowed on host %s", (origin, host) => {
    expect(allowed(origin, host)).toBe(true)
  })

  test.each([
    ["http://127.0.0.1:8000", "127.0.0.1:8001"],
    ["http://127.0.0.1:8000", "127.0.0.1"],
    ["http://localhost:8000", "127.0.0.1:8000"],
    ["https://engine.example.com", "engine.example.com:80"],
    ["http://engine.example.com", "engine.example.com:443"],
    ["https://engine.example.com:8443", "engine.example.com"],
    ["https://evil.example", "engine.example.com"],
    ["https://user@engine.example.com", "engine.example.com"],
    ["https://engine.example.com/", "engine.example.com"],
    ["https://engine.example.com:443", "engine.example.com"],
    ["HTTPS://Engine.example.com", "engine.example.com"],
    ["https://engine.example.com, https://evil.example", "engine.example.com"],
    ["https://engine.example.com", "evil@engine.example.com"],
    ["https://engine.example.com", "engine.example.com/x"],
    ["https://engine.example.com", "engine.example.com#x"],
    ["https://engine.example.com", ""],
    ["https://engine.example.com", undefined],
    ["capacitor://engine.example.com", "engine.example.com"],
  ])("is not %s on host %s", (origin, host) => {
    expect(allowed(origin, host)).toBe(false)
  })

  test("is one that came over TLS where the engine knows that it is served over TLS", () => {
    expect(allowed("http://engine.example.com", "engine.example.com", true)).toBe(false)
    expect(allowed("https://engine.example.com", "engine.example.com", true)).toBe(true)
  })
})
