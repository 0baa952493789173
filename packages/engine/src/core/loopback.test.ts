import { expect, test } from "vitest"
import { isLoopbackBind, isLoopbackHost } from "./loopback.ts"

test.each([
  "localhost",
  "LocalHost:8000",
  "127.0.0.1",
  "127.0.0.1:65535",
  "127.255.255.254:1",
  "[::1]",
  "[::1]:8000",
  "[0:0:0:0:0:0:0:1]:80",
])("a request to %s is to this machine", (host) => {
  expect(isLoopbackHost(host)).toBe(true)
})

test.each([
  undefined,
  "",
  ":8000",
  "localhost.evil.example",
  "localhost.",
  "127.0.0.1.",
  "127.0.0.1.nip.io",
  "app.localhost",
  "evil-localhost",
  "localhost:",
  "localhost:80:80",
  "localhost:65536",
  "localhost:8a",
  "localhost:-1",
  "localhost@evil.example",
  "evil.example#localhost",
  "127.1",
  "2130706433",
  "0x7f.0.0.1",
  "0177.0.0.1",
  "127.0.0.256",
  "128.0.0.1",
  "0.0.0.0",
  "::1",
  "::1:80",
  "[::]",
  "[::2]",
  "[::1",
  "[::1]evil",
  "[localhost]",
  "192.168.1.7:8000",
  "localhost,evil.example",
  " localhost",
])("a request to %s is not", (host) => {
  expect(isLoopbackHost(host)).toBe(false)
})

test("a listener on a loopback address is reachable from this machine alone", () => {
  expect(["127.0.0.1", "127.1.2.3", "::1", "localhost"].every(isLoopbackBind)).toBe(true)
  expect(["0.0.0.0", "::", "", "127.0.0.1:80", "10.0.0.1", "fe80::1", "host"].some(isLoopbackBind)).toBe(false)
})
