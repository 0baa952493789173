import { describe, expect, test } from "vitest"
import { chartOf } from "./chart.ts"
import type { Report } from "./figures.ts"

const report = (ratios: Report["ratios"]): Report => ({
  machine: { cpu: "<fast> & small", cores: 2, node: "v24" },
  commit: "abc",
  figures: {},
  ratios,
})

/** Widths of the bars of that color, without the legend's square. */
function bars(svg: string, color: string): number[] {
  return [...svg.matchAll(new RegExp(`width="([\\d.]+)" height="14" fill="${color}"`, "g"))].map(([, width]) =>
    Number(width),
  )
}

describe("the chart", () => {
  test("has bars as long as the ratios say, and the bare relay at 1", () => {
    const svg = chartOf(report({ burst_turn: 0.5, burst_turn_naive: 2, idle_socket: 1 }))
    const [burst, idle] = bars(svg, "#1f6feb")
    expect(bars(svg, "#b8bec6")[0]! / burst!).toBeCloseTo(4, 2)
    expect(idle! / burst!).toBeCloseTo(2, 2)
    const floor = Number(/<line x1="([\d.]+)"/.exec(svg)?.[1])
    expect(floor - 210).toBeCloseTo(idle!, 1)
  })

  test("leaves out what was not measured", () => {
    const svg = chartOf(report({ burst_turn: 0.5 }))
    expect(bars(svg, "#1f6feb")).toHaveLength(1)
    expect(bars(svg, "#b8bec6")).toHaveLength(0)
  })

  test("is well-formed whatever the machine is called", () => {
    expect(chartOf(report({ burst_turn: 0.5 }))).toContain("&lt;fast&gt; &amp; small")
  })
})
