import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeJwt } from "jose"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { developmentSignIn } from "./development.ts"
import { readDevelopmentSecret } from "./development-secret.ts"

const userId = "0190b0f0-1c2d-7e3f-8a4b-5c6d7e8f9a0b"
const secret = "d".repeat(64)
let nowMs = 0
const clock = { now: () => nowMs }

beforeEach(() => {
  nowMs = Date.UTC(2026, 0, 1)
})

describe("development sign-in", () => {
  test("lets in whom it issued a token to, for 12 hours", async () => {
    const { verifier, issue } = developmentSignIn({ secret, clock })
    const issued = await issue(userId.toUpperCase())
    expect(issued.user_id).toBe(userId)
    expect(await verifier.verify(issued.access_token)).toEqual({ userId, expiresAt: nowMs + 12 * 3_600_000 })
    nowMs += 12 * 3_600_000 + 11_000
    await expect(verifier.verify(issued.access_token)).rejects.toMatchObject({ code: "unauthenticated" })
  })

  test("makes a new user when none is named, and keeps to the lifetime asked for", async () => {
    const { verifier, issue } = developmentSignIn({ secret, clock })
    const [one, other] = [await issue(), await issue(undefined, 60)]
    expect(one.user_id).not.toBe(other.user_id)
    expect((await verifier.verify(other.access_token)).expiresAt).toBe(nowMs + 60_000)
  })

  test("issues what Supabase would, under an issuer of its own", async () => {
    const { access_token: token } = await developmentSignIn({ secret, clock }).issue(userId)
    expect(decodeJwt(token)).toMatchObject({
      iss: "grizz-development",
      aud: "authenticated",
      role: "authenticated",
      sub: userId,
    })
  })

  test("knows its tokens again after a restart with the same secret, and only then", async () => {
    const { access_token: token } = await developmentSignIn({ secret, clock }).issue(userId)
    expect(await developmentSignIn({ secret, clock }).verifier.verify(token)).toMatchObject({ userId })
    const another = developmentSignIn({ secret: "e".repeat(64), clock })
    await expect(another.verifier.verify(token)).rejects.toMatchObject({ code: "unauthenticated" })
  })

  test("wants a secret of at least 32 bytes", () => {
    expect(() => developmentSignIn({ secret: "short", clock })).toThrow(RangeError)
  })
})

describe("the development secret", () => {
  let directory = ""
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "grizz-secret-"))
  })
  afterEach(() => rm(directory, { recursive: true }))

  test("is one, however many processes make it at once, and stays", async () => {
    const nested = join(directory, "not", "yet")
    const secrets = new Set(await Promise.all(Array.from({ length: 30 }, () => readDevelopmentSecret(nested))))
    expect(secrets.size).toBe(1)
    expect(secrets).toContain(await readDevelopmentSecret(nested))
    expect(await readdir(nested)).toEqual(["dev-secret"])
  })

  test("is its owner's alone to read", async () => {
    await readDevelopmentSecret(directory)
    expect((await stat(join(directory, "dev-secret"))).mode & 0o777).toBe(0o600)
  })

  test.each(["", "short", "g".repeat(64), `${"a".repeat(64)}\n`])(
    "that reads %j is refused, by the file's name",
    async (text) => {
      const path = join(directory, "dev-secret")
      await writeFile(path, text)
      await chmod(path, 0o600)
      await expect(readDevelopmentSecret(directory)).rejects.toThrow(path)
      expect(await readFile(path, "utf8")).toBe(text)
    },
  )
})
