import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { WakeSignals } from "../src/wake-signals.ts"

let told: string[]
let stop: () => void

/** What a browser's page and window give, and nothing else of them. */
class Page extends EventTarget {
  visibilityState = "hidden"
}
let page: Page
let device: EventTarget

beforeEach(() => {
  vi.useFakeTimers()
  page = new Page()
  device = new EventTarget()
  vi.stubGlobal("document", page)
  vi.stubGlobal("addEventListener", device.addEventListener.bind(device))
  told = []
  stop = new WakeSignals().listen({ wake: () => told.push("wake"), offline: () => told.push("offline") })
})
afterEach(() => {
  stop()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test("the network's coming and going is told", () => {
  device.dispatchEvent(new Event("offline"))
  device.dispatchEvent(new Event("online"))
  expect(told).toEqual(["offline", "wake"])
})

test("a page that is looked at again is told, and one that is left is not", () => {
  page.dispatchEvent(new Event("visibilitychange"))
  page.visibilityState = "visible"
  page.dispatchEvent(new Event("visibilitychange"))
  expect(told).toEqual(["wake"])
})

test("time that has jumped is a sleep, and time that passes is not", () => {
  vi.advanceTimersByTime(60_000)
  expect(told).toEqual([])
  vi.setSystemTime(Date.now() + 600_000)
  vi.advanceTimersByTime(5_000)
  expect(told).toEqual(["wake"])
})

test("nothing is told after the last listener has left, and no timer runs", () => {
  stop()
  device.dispatchEvent(new Event("online"))
  expect(told).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})
