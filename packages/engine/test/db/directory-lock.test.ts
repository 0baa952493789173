import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { lockDirectory } from "../../src/db/directory-lock.ts"

const program = new URL("./directory-lock-process.ts", import.meta.url).pathname

describe("the lock of a folder", () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "grizz-lock-"))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const locks = () => readdirSync(directory).filter((name) => name.startsWith("lock."))
  const write = (name: string, content: object) => writeFileSync(join(directory, name), JSON.stringify(content))

  test("is held until it is released, and leaves one small file", () => {
    const lock = lockDirectory(directory)
    expect(() => lockDirectory(directory)).toThrow(
      `The folder ${directory} is in use by this process, which must be stopped first.`,
    )
    lock.release()
    lockDirectory(directory).release()
    expect(locks()).toEqual(["lock.2"])
  })

  test("is never taken from a live process, also one of another user", () => {
    write("lock.1", { pid: 1, started: null })
    expect(() => lockDirectory(directory)).toThrow("is in use by process 1")
    expect(locks()).toEqual(["lock.1"])
  })

  test("of a dead process is taken over", () => {
    // Above every system's highest process id.
    write("lock.4", { pid: 2 ** 30, started: "boot 1" })
    lockDirectory(directory)
    expect(locks()).toEqual(["lock.5"])
  })

  test.skipIf(process.platform !== "linux")("of a process whose id was given to another one is taken over", () => {
    lockDirectory(directory).release()
    const own = lockDirectory(directory)
    const file = join(directory, "lock.2")
    const holder: { pid: number; started: string } = JSON.parse(readFileSync(file, "utf8"))
    own.release()
    write("lock.2", { pid: process.ppid, started: holder.started })
    lockDirectory(directory).release()
    expect(locks()).toEqual(["lock.3"])
  })

  test("has one holder at a time among processes that fight for it, one of them stale at first", async () => {
    write("lock.1", { pid: 2 ** 30, started: "boot 1" })
    const fight = () => promisify(execFile)(process.execPath, [program, directory, "60"])
    await Promise.all([fight(), fight(), fight(), fight()])
    expect(locks()).toHaveLength(1)
  })
})
