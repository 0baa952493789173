/**
 * One of several processes that fight for a folder: `node directory-lock-process.ts <folder> <times>`. Each time it has the
 * lock it makes a folder that must not be there, so that two holders at once are seen. Ends when it had it so many times.
 */
import { mkdirSync, rmdirSync } from "node:fs"
import { join } from "node:path"
import { lockDirectory } from "../../src/db/directory-lock.ts"

const [, , directory, times] = process.argv
if (directory === undefined) throw new Error("usage: directory-lock-process.ts <folder> <times>")

let held = 0
while (held < Number(times)) {
  try {
    const lock = lockDirectory(directory)
    const inside = join(directory, "inside")
    mkdirSync(inside)
    held += 1
    rmdirSync(inside)
    lock.release()
  } catch (error) {
    if (!(error instanceof Error) || !/is in use by process \d+/.test(error.message)) throw error
  }
}
