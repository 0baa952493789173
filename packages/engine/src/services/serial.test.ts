import { expect, test } from "vitest"
import { Serial } from "./serial.ts"

test("tasks of one key run in the order of their calls, one at a time", async () => {
  const serial = new Serial()
  const log: string[] = []
  const task = (name: string, turns: number) => async () => {
    log.push(`${name} begins`)
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    log.push(`${name} ends`)
  }
  await Promise.all([serial.run("k", task("a", 9)), serial.run("k", task("b", 1)), serial.run("k", task("c", 3))])
  expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"])
})

test("another key does not wait, and a failed task does not hold up the next", async () => {
  const serial = new Serial()
  const blocked = Promise.withResolvers<void>()
  const first = serial.run("k", () => blocked.promise)
  await expect(serial.run("other", async () => "free")).resolves.toBe("free")
  const second = serial.run("k", async () => "after the failure")
  blocked.reject(new Error("planned"))
  await expect(first).rejects.toThrow("planned")
  await expect(second).resolves.toBe("after the failure")
})
