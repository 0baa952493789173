import type { Report } from "./figures.ts"
import { round } from "./statistics.ts"
import { aligned } from "./table.ts"

export interface Comparison {
  name: string
  old: number
  new: number
  /** Of the old one, in %; null where that is 0. */
  changePercent: number | null
}

/** Every ratio and figure that both reports have, of scenarios that were run alike in both. */
export function compareReports(old: Report, now: Report): { figures: Comparison[]; differing: string[] } {
  const differing = Object.keys(now.figures).filter((name) => {
    const before = old.figures[name]
    return before !== undefined && JSON.stringify(before.setting) !== JSON.stringify(now.figures[name]!.setting)
  })
  const before = numbersOf(old, differing)
  const figures = [...numbersOf(now, differing)].flatMap(([name, value]) => {
    const oldValue = before.get(name)
    return oldValue === undefined ? [] : [{ name, old: oldValue, new: value, changePercent: change(oldValue, value) }]
  })
  return { figures, differing }
}

/** For people. */
export function comparisonTable(old: Report, now: Report): string {
  const { figures, differing } = compareReports(old, now)
  const rows = figures.map((one) => [one.name, `${one.old}`, `${one.new}`, signed(one.changePercent)])
  const head = `compared with commit ${old.commit ?? "unknown"} on ${old.machine["cpu"]}, Node.js ${old.machine["node"]}`
  const warning =
    differing.length === 0 ? "" : `\nnot compared, because they were run otherwise: ${differing.join(", ")}`
  return `${head}${warning}\n${aligned([["", "old", "new", "change"], ...rows])}`
}

const signed = (percent: number | null) => (percent === null ? "–" : `${percent > 0 ? "+" : ""}${percent} %`)

function change(old: number, now: number): number | null {
  return old === 0 ? null : round((now / old - 1) * 100, 1)
}

/** All numbers of a report by their paths, the ratios first; without what the medians are of. */
function numbersOf({ ratios, figures }: Report, without: readonly string[]): Map<string, number> {
  const numbers = new Map(Object.entries(ratios).map(([name, value]) => [`ratios.${name}`, value]))
  for (const [scenario, { metrics }] of Object.entries(figures)) {
    if (without.includes(scenario)) continue
    for (const [metric, values] of Object.entries(metrics)) {
      for (const [subject, value] of Object.entries(values)) {
        const path = `${scenario}.${metric}.${subject}`
        if (typeof value === "number") numbers.set(path, value)
        else for (const [part, number] of Object.entries(value ?? {})) numbers.set(`${path}.${part}`, Number(number))
      }
    }
  }
  return numbers
}
