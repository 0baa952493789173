import { describe, expect, test } from "vitest"
import { compareReports, comparisonTable } from "./compare.ts"
import type { Report, Value } from "./figures.ts"

interface Made {
  ratio?: number
  cpu?: Record<string, Value>
  sockets?: number
}

function report({ ratio = 0.5, cpu = {}, sockets = 50 }: Made): Report {
  return {
    machine: { cpu: "a machine", node: "v24" },
    commit: "abc",
    figures: { burst: { setting: { sockets }, metrics: { cpu_us: cpu }, rounds: { cpu_us: { engine: [1, 2, 3] } } } },
    ratios: { burst_turn: ratio },
  }
}

describe("a comparison", () => {
  test("has each number that both reports have, with its change in percent of the old one", () => {
    const old = report({ ratio: 0.8, cpu: { engine: 200, relay: 100 } })
    const now = report({ ratio: 0.6, cpu: { engine: 250, naive: 900 } })
    expect(compareReports(old, now)).toEqual({
      figures: [
        { name: "ratios.burst_turn", old: 0.8, new: 0.6, changePercent: -25 },
        { name: "burst.cpu_us.engine", old: 200, new: 250, changePercent: 25 },
      ],
      differing: [],
    })
  })

  test("looks into medians and percentiles, and leaves out what one of them could not measure", () => {
    const old = report({ cpu: { engine: { p50: 2, p99: 0 }, relay: null } })
    const now = report({ cpu: { engine: { p50: 1, p99: 5 }, relay: 7 } })
    expect(compareReports(old, now).figures.slice(1)).toEqual([
      { name: "burst.cpu_us.engine.p50", old: 2, new: 1, changePercent: -50 },
      { name: "burst.cpu_us.engine.p99", old: 0, new: 5, changePercent: null },
    ])
  })

  test("does not compare the figures of scenarios that were run otherwise, and says so", () => {
    const old = report({ cpu: { engine: 1 }, sockets: 2 })
    const now = report({ cpu: { engine: 9 } })
    expect(compareReports(old, now)).toEqual({
      figures: [{ name: "ratios.burst_turn", old: 0.5, new: 0.5, changePercent: 0 }],
      differing: ["burst"],
    })
    expect(comparisonTable(old, now)).toContain("run otherwise: burst")
  })

  test("is a table with old, new and change", () => {
    const lines = comparisonTable(report({ ratio: 0.5 }), report({ ratio: 0.75 })).split("\n")
    expect(lines.slice(1).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["old", "new", "change"],
      ["ratios.burst_turn", "0.5", "0.75", "+50 %"],
    ])
  })
})
