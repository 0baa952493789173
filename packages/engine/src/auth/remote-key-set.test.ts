import type { RequestListener } from "node:http"
import { exportJWK, generateKeyPair, type JWK } from "jose"
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { type KeyServer, startKeyServer } from "../../test/support/key-server.ts"
import { RemoteKeySet } from "./remote-key-set.ts"

let server: KeyServer
let nowMs: number
let first: JWK
let second: JWK

beforeAll(async () => {
  first = await makeKey("first")
  second = await makeKey("second")
})
beforeEach(async () => {
  nowMs = Date.UTC(2026, 0, 1)
  server = await startKeyServer()
  server.publish([first])
})
afterEach(() => server.close())

async function makeKey(kid: string): Promise<JWK> {
  const { publicKey } = await generateKeyPair("ES256", { extractable: true })
  return { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }
}

function keySet(options: { timeoutMs?: number; maxBytes?: number } = {}): RemoteKeySet {
  return new RemoteKeySet({ url: `${server.url}/jwks`, clock: { now: () => nowMs }, ...options })
}

function find(keys: RemoteKeySet, kid: string): Promise<unknown> {
  return keys.find({ alg: "ES256", kid }).catch((error: unknown) => error)
}

const found = expect.objectContaining({ type: "public" })
const unavailable = expect.objectContaining({ name: "ChatError", code: "unavailable" })
const noSuchKey = expect.objectContaining({ code: "ERR_JWKS_NO_MATCHING_KEY" })
const minuteMs = 60_000

describe("keys that were never had", () => {
  test("are fetched once for all who wait", async () => {
    const keys = keySet()
    expect(await Promise.all(Array.from({ length: 50 }, () => find(keys, "first")))).toEqual(Array(50).fill(found))
    expect(server.requests).toEqual(["/jwks"])
  })

  test("are unavailable while the issuer is down, and had once it is back", async () => {
    const keys = keySet()
    const port = Number(new URL(server.url).port)
    await server.close()
    expect(await find(keys, "first")).toEqual(unavailable)
    server = await startKeyServer(port)
    server.publish([first])
    nowMs += 5000
    expect(await find(keys, "first")).toEqual(found)
  })

  test("are asked for at most once per 5 s while the issuer fails", async () => {
    server.answer((_request, response) => response.writeHead(500).end())
    const keys = keySet()
    for (let count = 0; count < 20; count += 1) expect(await find(keys, "first")).toEqual(unavailable)
    nowMs += 4999
    expect(await find(keys, "first")).toEqual(unavailable)
    expect(server.requests).toHaveLength(1)
    nowMs += 1
    expect(await find(keys, "first")).toEqual(unavailable)
    expect(server.requests).toHaveLength(2)
  })
})

describe("an unknown key", () => {
  test("costs one request per 30 s, however many ask for however many", async () => {
    const keys = keySet()
    await find(keys, "first")
    nowMs += 30_000
    const asked = Array.from({ length: 50 }, (_, index) => find(keys, `unknown-${index}`))
    expect(await Promise.all(asked)).toEqual(Array(50).fill(noSuchKey))
    expect(server.requests).toHaveLength(2)
    nowMs += 29_999
    expect(await find(keys, "unknown")).toEqual(noSuchKey)
    expect(server.requests).toHaveLength(2)
    nowMs += 1
    expect(await find(keys, "unknown")).toEqual(noSuchKey)
    expect(server.requests).toHaveLength(3)
  })

  test("that was published since is found", async () => {
    const keys = keySet()
    await find(keys, "first")
    server.publish([first, second])
    nowMs += 30_000
    expect(await Promise.all([find(keys, "second"), find(keys, "first")])).toEqual([found, found])
  })

  test("is unavailable, not unknown, while the issuer is down; a known one is still served", async () => {
    const keys = keySet()
    await find(keys, "first")
    await server.close()
    nowMs += 30_000
    expect(await find(keys, "second")).toEqual(unavailable)
    expect(await find(keys, "first")).toEqual(found)
    nowMs += 24 * 60 * minuteMs
    expect(await find(keys, "first")).toEqual(found)
  })

  test("is looked for again after the clock was set back", async () => {
    const keys = keySet()
    await find(keys, "first")
    server.publish([first, second])
    nowMs -= 60 * minuteMs
    expect(await find(keys, "second")).toEqual(found)
  })
})

describe("keys of an age", () => {
  test("below 5 min are used as they are", async () => {
    const keys = keySet()
    await find(keys, "first")
    nowMs += 5 * minuteMs - 1
    await find(keys, "first")
    // Whatever the key set asked for went out before this.
    await (await fetch(`${server.url}/mark`)).body?.cancel()
    expect(server.requests).toEqual(["/jwks", "/mark"])
  })

  test("from 5 min on are used while they are fetched anew", async () => {
    const keys = keySet()
    await find(keys, "first")
    const asked = Promise.withResolvers<() => void>()
    server.answer((_request, response) => asked.resolve(() => response.end(JSON.stringify({ keys: [second] }))))
    nowMs += 5 * minuteMs
    expect(await find(keys, "first")).toEqual(found)
    const answer = await asked.promise
    expect(await find(keys, "first")).toEqual(found)
    const rotated = find(keys, "second")
    answer()
    expect(await rotated).toEqual(found)
    expect(await find(keys, "first")).toEqual(noSuchKey)
    expect(server.requests).toHaveLength(2)
  })

  test("from 10 min on are fetched anew first, so that a withdrawn one is refused", async () => {
    const keys = keySet()
    await find(keys, "first")
    server.publish([second])
    nowMs += 10 * minuteMs
    expect(await find(keys, "first")).toEqual(noSuchKey)
    expect(await find(keys, "second")).toEqual(found)
  })

  test("from 10 min on are served at once when the issuer already failed", async () => {
    const keys = keySet({ timeoutMs: 3_600_000 })
    await find(keys, "first")
    server.answer((_request, response) => response.writeHead(503).end())
    nowMs += 10 * minuteMs
    expect(await find(keys, "first")).toEqual(found)
    // From now on no answer comes, and nobody waits for one.
    server.answer(() => undefined)
    nowMs += 5000
    expect(await Promise.all([find(keys, "first"), find(keys, "first")])).toEqual([found, found])
  })
})

describe("an answer of the issuer", () => {
  const hostile: [string, (server: KeyServer) => void][] = [
    ["is HTML", ({ answer }) => answer((_, response) => response.end("<html>maintenance</html>"))],
    ["is empty", ({ answer }) => answer((_, response) => response.end())],
    ["is JSON of another kind", ({ answer }) => answer((_, response) => response.end('{"keys":{}}'))],
    ["is null", ({ answer }) => answer((_, response) => response.end("null"))],
    ["has members that are no keys", ({ answer }) => answer((_, response) => response.end('{"keys":[1,"a",null]}'))],
    ["is an error", ({ answer }) => answer((_, response) => response.writeHead(503).end('{"keys":[]}'))],
    ["is a redirect", ({ answer }) => answer(redirect)],
    ["never comes", ({ answer }) => answer(() => undefined)],
    ["never ends", ({ answer }) => answer((_, response) => void response.write('{"keys":['))],
    ["is cut", ({ answer }) => answer((_, response) => void response.write("{", () => response.destroy()))],
    ["is too long", ({ answer }) => answer((_, response) => response.end(`{"keys":[]}${" ".repeat(20_000)}`))],
    ["grows without end", ({ answer }) => answer((_, response) => flood(response))],
  ]

  test.each(hostile)("that %s makes nothing available, and takes nothing away", async (_, misbehave) => {
    const fresh = keySet({ timeoutMs: 300, maxBytes: 10_000 })
    const known = keySet({ timeoutMs: 300, maxBytes: 10_000 })
    await find(known, "first")
    misbehave(server)
    nowMs += 30_000
    expect(await Promise.all([find(fresh, "first"), find(known, "second"), find(known, "first")])).toEqual([
      unavailable,
      unavailable,
      found,
    ])
    server.publish([first, second])
    nowMs += 5000
    expect(await Promise.all([find(fresh, "first"), find(known, "second")])).toEqual([found, found])
  })
})

/** To where the same server would answer with keys. */
const redirect: RequestListener = (request, response) => {
  if (request.url === "/other") response.end(JSON.stringify({ keys: [first, second] }))
  else response.writeHead(302, { location: "/other" }).end()
}

interface Sink {
  write: (text: string, written: () => void) => boolean
  writable: boolean
}

function flood(response: Sink): void {
  if (response.writable) response.write(" ".repeat(65_536), () => flood(response))
}
